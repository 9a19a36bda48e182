import { within } from '@sallyport/concurrency';
import type { AdmissionDecision, AdmissionRequest, ConnectorName } from '@sallyport/protocol';
import { claimedName } from './judge.js';
import type { AdmissionPort, CertificateCredential, Peer } from './peer.js';

interface Contact {
  readonly entrance: string;
  readonly remoteAddress: string;
  /** At which connector; only at the listeners of connectors. */
  readonly connector?: ConnectorName | undefined;
}

/** The question about one verified peer, as it crosses the wire. */
export function admissionRequestFor(
  { deviceId, kind, credential }: Peer,
  { connector, ...contact }: Contact,
): AdmissionRequest {
  switch (credential.kind) {
    case 'certificate':
      return {
        ...certificateFields(credential),
        kind,
        ...contact,
        ...(connector === undefined ? { deviceId } : connectorFields(connector, credential)),
      };
    case 'token': {
      const { issuer, expiresAt } = credential;
      const until = expiresAt.toISOString();
      return { credential: 'token', deviceId, kind: 'device', issuer, expiresAt: until, ...contact };
    }
    default:
      return credential satisfies never;
  }
}

function certificateFields({ certificate, path, issuedHere }: CertificateCredential) {
  return {
    fingerprint: certificate.fingerprint,
    issuerFingerprint: path.certificates[0].fingerprint,
    knownIssuerFingerprints: [...path.issuerFingerprints],
    authorities: [...path.authorities],
    authorityName: path.authorityName,
    serialNumber: certificate.serialNumber,
    issuedHere,
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
  };
}

/** The name is that of the certificate, also after the registry has given another: it is asked the same again. */
function connectorFields(name: ConnectorName, { certificate }: CertificateCredential) {
  return { deviceId: claimedName(certificate), connector: { name, certificate: certificate.der.toString('base64') } };
}

/** Asks within a deadline. No answer, or a failure, refuses the peer. Never rejects. */
export async function askAdmission(
  port: AdmissionPort,
  request: AdmissionRequest,
  deadlineMs: number,
): Promise<AdmissionDecision & { readonly detail?: string }> {
  const late = () => new Error(`no answer within ${deadlineMs} ms`);
  try {
    return await within(port.admit(request), deadlineMs, { late });
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { outcome: 'refused', reason: 'admission-unavailable', detail };
  }
}
