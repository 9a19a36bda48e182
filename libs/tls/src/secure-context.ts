import { createSecureContext, DEFAULT_CIPHERS, type SecureContext, type SecureContextOptions } from 'node:tls';
import { Problem } from '@sallyport/protocol';
import { type Certificate, nameOnlyCertificate, pemFromDer } from '@sallyport/x509';
import { EventLoopYield } from './event-loop-yield.js';
import { namesakesAmong } from './namesakes.js';
import { addTrustedCa, fitIntoHandshake, protocolOptions } from './openssl.js';
import type { SecuritySettings } from './settings.js';

/** The hybrid with ML-KEM-768 first: a quantum computer of the future cannot read what is recorded today. */
const hybridGroups = 'X25519MLKEM768:X25519:P-256:P-384';
const classicGroups = 'X25519:P-256:P-384';
/** RFC 9325 §4.1: no RSA key exchange. With the key, every recorded connection could be read later. */
const ciphers = `${DEFAULT_CIPHERS}:!kRSA`;
/** CAs given to OpenSSL at once; this takes a few milliseconds. */
const casAtOnce = 100;

/** Key exchange groups that the OpenSSL of this runtime knows, best first (hybrid since 3.5). */
export function keyExchangeGroups(): string {
  try {
    createSecureContext({ ca: [], ecdhCurve: hybridGroups });
    return hybridGroups;
  } catch {
    return classicGroups; // An older OpenSSL refuses the name of a group it does not know.
  }
}

function contextFrom(settings: SecuritySettings, options: SecureContextOptions): SecureContext {
  try {
    return createSecureContext({
      ...options,
      minVersion: 'TLSv1.2',
      ciphers,
      ecdhCurve: keyExchangeGroups(),
      // A trusted CA need not be a root.
      allowPartialTrustChain: true,
      ...(settings.certificatePem === undefined ? {} : { cert: settings.certificatePem }),
      ...(settings.keyPem === undefined ? {} : { key: settings.keyPem }),
    });
  } catch (error) {
    throw new Problem(
      'config-invalid',
      `OpenSSL does not take the certificate and key of this listener (${error instanceof Error ? error.message : String(error)}). Check that both are PEM, belong together and are RSA 2048, P-256 or stronger.`,
      { cause: error },
    );
  }
}

/** The CAs that clients of a listener with these settings may come from. */
function trustedBy({ clientCertificate, ca }: SecuritySettings): readonly Certificate[] {
  return clientCertificate === 'none' || ca === undefined ? [] : ca.certificates;
}

const subjectOf = ({ subject }: Certificate): Buffer => subject.der;
const pemOf = (der: Buffer): string => pemFromDer('CERTIFICATE', der);

/**
 * What OpenSSL gets. It must not know CAs that share a name. Their name stays in the list for clients, because many send
 * no certificate when its issuer is not in that list.
 */
function shownToOpenSsl(trusted: readonly Certificate[]): Buffer[] {
  const namesakes = namesakesAmong(trusted);
  const names = new Map([...namesakes].map(({ subject }) => [subject.der.toString('latin1'), subject]));
  return [
    ...trusted.filter((certificate) => !namesakes.has(certificate)).map(({ der }) => der),
    ...[...names.values()].map(nameOnlyCertificate),
  ];
}

/** What an operator should know about a context made of these settings. */
export function contextWarnings(settings: SecuritySettings): string[] {
  const trusted = trustedBy(settings);
  if (fitIntoHandshake(trusted.map(subjectOf))) return [];
  return [
    `the names of ${trusted.length} trusted CAs do not fit into a TLS handshake, so none is sent and the listener speaks TLS 1.2 only; trust fewer CAs to have TLS 1.3 and the hybrid key exchange`,
  ];
}

/**
 * Builds the TLS context of a listener: TLS 1.2 or newer, no resumption, no renegotiation, hybrid key exchange first.
 * Adds many CAs in small parts, so that a running service keeps answering.
 *
 * @throws Problem `config-invalid`: OpenSSL does not take the certificate or the key, or they do not belong together.
 */
export async function buildSecureContext(settings: SecuritySettings): Promise<SecureContext> {
  const trusted = trustedBy(settings);
  const options = protocolOptions(fitIntoHandshake(trusted.map(subjectOf)));
  // Always a list: without a list, Node trusts the public web PKI.
  const shown = shownToOpenSsl(trusted);
  const context = contextFrom(settings, { ...options, ca: shown.slice(0, casAtOnce).map(pemOf) });
  const eventLoop = new EventLoopYield();
  for (const der of shown.slice(casAtOnce)) {
    if (!addTrustedCa(context, pemOf(der))) return contextFrom(settings, { ...options, ca: shown.map(pemOf) });
    await eventLoop.yieldIfDue();
  }
  return context;
}
