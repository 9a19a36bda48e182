import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import { deviceId } from '@sallyport/protocol';
import type { TestCa } from '@sallyport/testkit';
import {
  type Certificate,
  certificateProfiles,
  certificatesFromPem,
  identityUri,
  LeafIssuer,
  pemFromDer,
} from '@sallyport/x509';

function certificateFrom(pem: string): Certificate {
  const [certificate] = certificatesFromPem(pem);
  if (certificate === undefined) throw new Error('the CA has no certificate');
  return certificate;
}

/** Client certificates that differ from each other. They share one key, which makes no difference to a server. */
export function makeDevices(ca: TestCa, count: number): ConnectionOptions[] {
  const issuer = certificateFrom(ca.certPem);
  const profile = certificateProfiles.device;
  const leaves = new LeafIssuer({ issuer, privateKey: createPrivateKey(ca.certificate.keyPem), profile });
  const { notBefore, notAfter } = issuer;
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
  return Array.from({ length: count }, (_, index) => {
    const id = deviceId.parse(`child${index}`);
    const subject = { commonName: id };
    const subjectAltNames = [identityUri({ kind: 'device', deviceId: id })];
    const { der } = leaves.issue({ subject, spki, subjectAltNames, notBefore, notAfter });
    return { host: '127.0.0.1', servername: 'localhost', ca: ca.certPem, cert: pemFromDer('CERTIFICATE', der), key };
  });
}
