import { X509Certificate } from 'node:crypto';
import { answers, type CloudAnswer } from './answers.js';
import { notFound, type Route, type RouteCall } from './route.js';
import { fingerprintOf, type TrustedCertificate, type TrustedCertificates } from './trusted-certificates.js';

/** `/tenant/tenants/{name}/trusted-certificates`, with the proof of possession, as Cumulocity's OpenAPI says. */
export function trustedCertificateRoutes(trusted: TrustedCertificates, tenantId: string): Route[] {
  const base = `/tenant/tenants/${tenantId}/trusted-certificates`;
  const one = path(`${base}/([0-9a-f]{40})`);
  const code = path(`${base}-pop/([0-9a-f]{40})/verification-code`);
  const proof = path(`${base}-pop/([0-9a-f]{40})/pop`);
  const show = ofOne(trusted, (found) => answers.json(200, shown(found)));
  const remove = ofOne(trusted, async ({ fingerprint }) => {
    await trusted.remove(fingerprint);
    return answers.status(204);
  });
  return [
    ['GET', path(base), () => answers.json(200, { certificates: trusted.list().map(shown) })],
    ['POST', path(base), ({ body }) => upload(trusted, body.text())],
    ['GET', one, show],
    ['DELETE', one, remove],
    ['POST', code, show],
    ['POST', proof, ofOne(trusted, (found, { body }) => takeProof(trusted, found, body.text()))],
  ];
}

/** For a path that names a certificate by its fingerprint. */
function ofOne(
  trusted: TrustedCertificates,
  answer: (found: TrustedCertificate, call: RouteCall) => CloudAnswer | Promise<CloudAnswer>,
): Route[2] {
  return (call) => {
    const found = trusted.find(call.variables[0] ?? '');
    return found === undefined ? notFound('trusted certificate') : answer(found, call);
  };
}

async function upload(trusted: TrustedCertificates, body: string): Promise<CloudAnswer> {
  const { name, certInPemFormat, status }: Record<string, unknown> = JSON.parse(body);
  if (typeof certInPemFormat !== 'string' || typeof name !== 'string' || status !== 'ENABLED')
    return invalid('name, certInPemFormat and status are needed.');
  const certificate = parsed(certInPemFormat);
  if (certificate === undefined) return invalid('certInPemFormat is no certificate.');
  if (!certificate.ca) return invalid('The certificate is no CA certificate: its basic constraints do not say CA.');
  if (trusted.find(fingerprintOf(certInPemFormat)) !== undefined)
    return answers.json(409, { error: 'tenant/Conflict', message: 'The certificate is already there.' });
  return answers.json(201, shown(await trusted.upload(certInPemFormat, name)));
}

async function takeProof(trusted: TrustedCertificates, found: TrustedCertificate, body: string): Promise<CloudAnswer> {
  const { proofOfPossessionSignedVerificationCode: signature }: Record<string, unknown> = JSON.parse(body);
  const isProved = typeof signature === 'string' && (await trusted.takeProof(found, signature));
  return isProved ? answers.json(200, shown(found)) : invalid('The signature of the verification code is wrong.');
}

function parsed(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function shown({ fingerprint, name, pem, verificationCode, isProved }: TrustedCertificate): object {
  return {
    fingerprint,
    name,
    certInPemFormat: pem,
    status: 'ENABLED',
    autoRegistrationEnabled: true,
    proofOfPossessionValid: isProved,
    proofOfPossessionUnsignedVerificationCode: verificationCode,
  };
}

function path(pattern: string): RegExp {
  return new RegExp(`^${pattern}$`);
}

function invalid(message: string): CloudAnswer {
  return answers.json(422, { error: 'tenant/invalid', message });
}
