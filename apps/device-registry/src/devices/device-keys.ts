import type { AuthorityId, DeviceCertificate, DeviceId, Fingerprint, SerialNumber } from '@sallyport/protocol';
import { foldedName } from './device-record.js';

/** What the keys of records begin with. The rest is the name in lower case. */
export const devicePrefix = 'device/';

export function deviceKey(name: DeviceId): string {
  return devicePrefix + foldedName(name);
}

/** Where the DER of a certificate is kept. */
export function certificateKey(fingerprint: Fingerprint): string {
  return `certificate/${fingerprint}`;
}

export function refusalsKey(name: DeviceId): string {
  return `refusals/${foldedName(name)}`;
}

/** What identifies a certificate that must be refused. */
export type CertificateIdentity = Pick<DeviceCertificate, 'fingerprint' | 'issuerFingerprint' | 'serialNumber'> & {
  readonly issuer?: AuthorityId | undefined;
};

// Two CAs may use one serial number, and one signature may stand in several encodings of a certificate. So a
// certificate is denied by its fingerprint, and also by issuer and serial number. One match is enough.
/** The keys that deny a certificate for ever. */
export function denialKeys({ fingerprint, issuerFingerprint, issuer, serialNumber }: CertificateIdentity): string[] {
  // Also by the key of the issuer, because the certificate of the issuer may be issued again.
  const issuers = issuer === undefined ? [issuerFingerprint] : [issuerFingerprint, issuer];
  return [denialByFingerprint(fingerprint), ...issuers.map((each) => denialBySerial(each, serialNumber))];
}

export function denialByFingerprint(fingerprint: Fingerprint): string {
  return `denied/fingerprint/${fingerprint}`;
}

export function denialBySerial(issuer: Fingerprint | AuthorityId, serialNumber: SerialNumber): string {
  return `denied/serial/${issuer}/${serialNumber}`;
}
