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

interface DeviceNaming {
  readonly prefix?: string;
  /** As certificates of this site have it. Those of a Client CA have a host name instead. */
  readonly hasIdentityUri?: boolean;
}

/** Client certificates that differ from each other. They share one key, which makes no difference to a server. */
export function makeDevices(
  ca: TestCa,
  count: number,
  { prefix = 'child', hasIdentityUri = true }: DeviceNaming = {},
): ConnectionOptions[] {
  const issuer = certificateFrom(ca.certPem);
  const profile = certificateProfiles.device;
  const leaves = new LeafIssuer({ issuer, privateKey: createPrivateKey(ca.certificate.keyPem), profile });
  const { notBefore, notAfter } = issuer;
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
  return Array.from({ length: count }, (_, index) => {
    const id = deviceId.parse(`${prefix}${index}`);
    const subject = { commonName: id };
    const name = hasIdentityUri ? identityUri({ kind: 'device', deviceId: id }) : ({ type: 'dns', value: id } as const);
    const subjectAltNames = [name];
    const { der } = leaves.issue({ subject, spki, subjectAltNames, notBefore, notAfter });
    return { host: '127.0.0.1', servername: 'localhost', ca: ca.certPem, cert: pemFromDer('CERTIFICATE', der), key };
  });
}
