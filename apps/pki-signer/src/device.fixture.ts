import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type DeviceId, deviceId } from '@sallyport/protocol';
import { buildCertificateRequest, type SubjectAltName } from '@sallyport/x509';
import type { SignerSettings } from './signer-settings.js';

export const day = 86_400;

/** Settings as they come out of the box, with files below a directory. */
export function testSettings(directory: string, changes: Partial<SignerSettings> = {}): SignerSettings {
  return {
    organization: 'Test Site',
    trustDomain: 'sallyport.local',
    publicUrl: 'http://localhost:8442',
    tokenValiditySeconds: day,
    deviceValiditySeconds: 90 * day,
    serviceValiditySeconds: 30 * day,
    renewalGraceSeconds: 0,
    rootValiditySeconds: 20 * 365 * day,
    issuingValiditySeconds: 5 * 365 * day,
    crlValiditySeconds: 7 * day,
    crlIntervalSeconds: day / 4,
    hostnames: [],
    files: {
      keyDirectory: `${directory}/data/keys`,
      passphraseFile: `${directory}/config/key-passphrase`,
      pepperFile: `${directory}/config/token-pepper`,
      serverIdentityFile: `${directory}/config/server-identity.pem`,
      serviceCertificates: `${directory}/config/service-certs`,
      markerFile: `${directory}/config/site/pki-signer.json`,
      journalFolder: `${directory}/config/journal/pki-signer`,
      revocationLists: `${directory}/config/revocation-lists`,
    },
    ...changes,
  };
}

/** A new P-256 key. */
export function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** A CSR as a device makes it. */
export function csrFor(commonName: string, privateKey = newKey(), subjectAltNames: SubjectAltName[] = []): Buffer {
  return buildCertificateRequest({ privateKey, commonName, subjectAltNames });
}

/** What a client on loopback sends to be enrolled. */
export function enrolmentOf(name: string, password: string, csr = csrFor(name)) {
  return { name, password, csr, channelBindings: () => [], remoteAddress: '127.0.0.1' };
}

export function id(name: string): DeviceId {
  return deviceId.parse(name);
}
