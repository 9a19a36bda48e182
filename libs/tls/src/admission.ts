import { within } from '@sallyport/concurrency';
import type { AdmissionDecision, AdmissionRequest } from '@sallyport/protocol';
import type { Candidate } from './judge.js';
import type { AdmissionPort } from './peer.js';

/** The question about one verified peer, as it crosses the wire. */
export function admissionRequestFor(
  { certificate, path, deviceId, kind, issuedHere }: Candidate,
  { entrance, remoteAddress }: { readonly entrance: string; readonly remoteAddress: string },
): AdmissionRequest {
  return {
    fingerprint: certificate.fingerprint,
    deviceId,
    issuerFingerprint: path.certificates[0].fingerprint,
    knownIssuerFingerprints: [...path.issuerFingerprints],
    authorities: [...path.authorities],
    authorityName: path.authorityName,
    serialNumber: certificate.serialNumber,
    issuedHere,
    kind,
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
    entrance,
    remoteAddress,
  };
}

/** Asks within a deadline; silence and failure refuse. Never rejects. */
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
