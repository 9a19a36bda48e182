import 'reflect-metadata';
import * as peculiar from '@peculiar/x509';
import { fromBER } from 'asn1js';
import fc from 'fast-check';
import * as pkijs from 'pkijs';
import { describe, expect, it } from 'vitest';
import { child01Uri, makeSite } from './authority.fixture.js';
import {
  buildCertificateRequest,
  type Certificate,
  type CertificateRequest,
  derFromPem,
  encodeCertsOnly,
  parseCertificate,
  parseCertificateRequest,
} from './index.js';
import { vector, vectorNames } from './vectors.fixture.js';

const { root, issuing, device } = makeSite();

const hexOf = (bytes: ArrayBuffer | Uint8Array) => Buffer.from(new Uint8Array(bytes)).toString('hex');
const arrayBufferOf = (der: Uint8Array): ArrayBuffer => Uint8Array.from(der).buffer;

function fieldsOf(certificate: Certificate) {
  return {
    serialNumber: BigInt(`0x${certificate.serialNumber}`),
    notBefore: certificate.notBefore.getTime(),
    notAfter: certificate.notAfter.getTime(),
    issuer: hexOf(certificate.issuer.der),
    subject: hexOf(certificate.subject.der),
    spki: hexOf(certificate.spki),
    signature: hexOf(certificate.signature),
    extensions: certificate.extensions.map(({ oid, critical, value }) => [oid, critical, hexOf(value)]),
  };
}

function fieldsByPkijs(der: Uint8Array): ReturnType<typeof fieldsOf> {
  const certificate = new pkijs.Certificate({ schema: fromBER(arrayBufferOf(der)).result });
  return {
    serialNumber: BigInt(`0x${hexOf(certificate.serialNumber.valueBlock.valueHexView)}`),
    notBefore: certificate.notBefore.value.getTime(),
    notAfter: certificate.notAfter.value.getTime(),
    issuer: hexOf(certificate.issuer.valueBeforeDecode),
    subject: hexOf(certificate.subject.valueBeforeDecode),
    spki: hexOf(certificate.subjectPublicKeyInfo.toSchema().toBER()),
    signature: hexOf(certificate.signatureValue.valueBlock.valueHexView),
    extensions: (certificate.extensions ?? []).map(({ extnID, critical, extnValue }) => [
      extnID,
      critical,
      hexOf(extnValue.valueBlock.valueHexView),
    ]),
  };
}

function fieldsByPeculiar(der: Uint8Array): ReturnType<typeof fieldsOf> {
  const certificate = new peculiar.X509Certificate(arrayBufferOf(der));
  return {
    serialNumber: BigInt(`0x${certificate.serialNumber}`),
    notBefore: certificate.notBefore.getTime(),
    notAfter: certificate.notAfter.getTime(),
    issuer: hexOf(certificate.issuerName.toArrayBuffer()),
    subject: hexOf(certificate.subjectName.toArrayBuffer()),
    spki: hexOf(certificate.publicKey.rawData),
    signature: hexOf(certificate.signature),
    extensions: certificate.extensions.map(({ type, critical, value }) => [type, critical, hexOf(value)]),
  };
}

describe('a second opinion on certificates', () => {
  it.each([
    ['root', root],
    ['issuing CA', issuing],
    ['device', device],
  ])('@peculiar/x509 and pkijs read the same fields of our %s', (_name, { certificate }) => {
    expect(fieldsByPeculiar(certificate.der)).toEqual(fieldsOf(certificate));
    expect(fieldsByPkijs(certificate.der)).toEqual(fieldsOf(certificate));
  });

  it('pkijs reads the same fields of every certificate of the NIST PKITS suite that we accept', () => {
    const names = vectorNames('x509/PKITS_data/certs');
    const accepted = names.filter((name) => {
      const certificate = acceptedBy(() => parseCertificate(vector(`x509/PKITS_data/certs/${name}`)));
      if (certificate !== undefined) expect(fieldsByPkijs(certificate.der), name).toEqual(fieldsOf(certificate));
      return certificate !== undefined;
    });
    expect(names).toHaveLength(405);
    expect(names.filter((name) => !accepted.includes(name))).toEqual([
      'BadSignedCACert.crt',
      'InvalidDSASignatureTest6EE.crt',
      'InvalidNegativeSerialNumberTest15EE.crt',
    ]);
  });

  it('pkijs reads the same fields of whatever mutation we accept', () => {
    const originals = [device.certificate.der, issuing.certificate.der];
    const bit = fc.nat(8 * Math.min(...originals.map(({ length }) => length)) - 1);
    const mutation = fc.tuple(fc.constantFrom(...originals), bit).map(([original, position]) => {
      const changed = Buffer.from(original);
      changed[position >> 3] = (changed[position >> 3] ?? 0) ^ (0x80 >> (position & 7));
      return changed;
    });
    const agrees = (der: Buffer) => {
      const certificate = acceptedBy(() => parseCertificate(der));
      if (certificate !== undefined) expect(fieldsByPkijs(der)).toEqual(fieldsOf(certificate));
    };
    fc.assert(fc.property(mutation, agrees), { numRuns: 1000 });
  });
});

describe('a second opinion on requests and envelopes', () => {
  const own = buildCertificateRequest({
    privateKey: device.privateKey,
    commonName: 'child01',
    subjectAltNames: [child01Uri],
    challengePassword: 'secret',
  });

  it('@peculiar/x509 reads the same fields of our request and finds its signature valid', async () => {
    const request = new peculiar.Pkcs10CertificateRequest(arrayBufferOf(own));
    expect(request.subject).toBe('CN=child01');
    expect(hexOf(request.publicKey.rawData)).toBe(hexOf(parseCertificateRequest(own).spki));
    expect(request.attributes.map(({ type }) => type).sort()).toEqual([
      '1.2.840.113549.1.9.14',
      '1.2.840.113549.1.9.7',
    ]);
    await expect(request.verify()).resolves.toBe(true);
  });

  it.each(vectorNames('x509/requests'))('pkijs reads the same fields of %s when we accept it', (name) => {
    const content = vector(`x509/requests/${name}`);
    const [der = content] = derFromPem(content.toString('latin1'), /CERTIFICATE REQUEST$/);
    const request = acceptedBy(() => parseCertificateRequest(der));
    if (request === undefined) expect(name).toMatch(/^(?:bad-version|challenge-(?:invalid|multi)|long-form)/);
    else expect(requestFieldsByPkijs(der)).toEqual(requestFieldsOf(request));
  });

  it('pkijs takes our certs-only message apart', () => {
    const message = encodeCertsOnly([device.certificate.der, issuing.certificate.der]);
    const contentInfo = new pkijs.ContentInfo({ schema: fromBER(arrayBufferOf(message)).result });
    const signedData = new pkijs.SignedData({ schema: contentInfo.content });
    const ders = (signedData.certificates ?? []).map((certificate) => hexOf(certificate.toSchema().toBER()));
    expect(ders).toEqual([hexOf(device.certificate.der), hexOf(issuing.certificate.der)]);
  });
});

function requestFieldsOf({ subject, spki, signature }: CertificateRequest) {
  return { subject: hexOf(subject.der), spki: hexOf(spki), signature: hexOf(signature) };
}

function requestFieldsByPkijs(der: Uint8Array): ReturnType<typeof requestFieldsOf> {
  const request = new pkijs.CertificationRequest({ schema: fromBER(arrayBufferOf(der)).result });
  return {
    subject: hexOf(request.subject.valueBeforeDecode),
    spki: hexOf(request.subjectPublicKeyInfo.toSchema().toBER()),
    signature: hexOf(request.signatureValue.valueBlock.valueHexView),
  };
}

function acceptedBy<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
