import { generateKeyPairSync } from 'node:crypto';
import { deviceId } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { child01, child01Uri, ecKeyPair, thrownBy } from '../authority.fixture.js';
import { oid } from '../der/oid.js';
import { contextConstructed } from '../der/tags.js';
import { bitString, booleanTrue, integer, octetString, sequence, setOf, tlv, utf8String } from '../der/writer.js';
import { caConstraints, extendedKeyUsage, keyUsage, leafConstraints, subjectAltName } from '../extension-writers.js';
import {
  buildCertificateRequest,
  type CertificateProfile,
  certificateProfiles,
  checkCertificateRequest,
  leafAltNames,
  parseCertificateRequest,
  type SubjectAltName,
  verifyPossession,
} from '../index.js';
import { encodeSubject } from '../name.js';
import { oids } from '../oids.js';
import { signerFor } from '../signature.js';

const { privateKey, publicKey } = ecKeyPair();

/** A well-signed request with any extensions and any subject. */
function requestWith(extensions: readonly Buffer[], subject = encodeSubject({ commonName: 'child01' })) {
  return requestIn(extensions.length > 0 ? { extensionRequest: extensions } : {}, subject);
}

type ExtensionAttribute = 'extensionRequest' | 'microsoftExtensionRequest';

/** The same, with the extensions in the given attributes. */
function requestIn(
  lists: Partial<Record<ExtensionAttribute, readonly Buffer[]>>,
  subject = encodeSubject({ commonName: 'child01' }),
) {
  const attributeOf = (name: ExtensionAttribute) =>
    lists[name] === undefined ? [] : [sequence(oid(oids[name]), setOf(sequence(...lists[name])))];
  const info = sequence(
    integer(0),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(contextConstructed(0), ...attributeOf('extensionRequest'), ...attributeOf('microsoftExtensionRequest')),
  );
  const signer = signerFor(privateKey);
  const request = parseCertificateRequest(sequence(info, signer.algorithmIdentifier, bitString(signer.sign(info))));
  verifyPossession(request);
  return request;
}

const asking = (...subjectAltNames: SubjectAltName[]) => requestWith([subjectAltName(subjectAltNames)]);
const judge = (request: ReturnType<typeof requestWith>, profile: CertificateProfile = certificateProfiles.device) =>
  checkCertificateRequest(request, profile, { deviceId: child01 });

describe('what a request may not ask for', () => {
  const unknownCritical = sequence(oid('1.2.3.4'), booleanTrue(), octetString(sequence()));
  const criticalPolicies = sequence(oid(oids.certificatePolicies), booleanTrue(), octetString(sequence()));
  const nameConstraints = sequence(oid(oids.nameConstraints), octetString(sequence()));
  const spelledOut = sequence(oid(oids.keyUsage), Buffer.of(1, 1, 0), octetString(Buffer.from('03020780', 'hex')));
  it.each([
    ['ca-requested', 'a CA certificate', [caConstraints()]],
    ['ca-requested', 'a CA certificate with a path length', [caConstraints(0)]],
    ['key-usage', 'keyCertSign', [keyUsage(['digitalSignature', 'keyCertSign'])]],
    ['key-usage', 'cRLSign', [keyUsage(['cRLSign'])]],
    ['extended-key-usage', 'OCSP signing', [extendedKeyUsage(['OCSPSigning'])]],
    ['extended-key-usage', 'every purpose', [extendedKeyUsage(['anyExtendedKeyUsage'])]],
    ['name-constraints', 'name constraints', [nameConstraints]],
    ['extension-unknown', 'an unknown critical extension', [unknownCritical]],
    ['extension-unknown', 'a critical extension that only the issuer sets', [criticalPolicies]],
    ['extension-repeated', 'an extension twice', [leafConstraints(), leafConstraints()]],
    ['extension-repeated', 'two lists of names', [subjectAltName([child01Uri]), subjectAltName([child01Uri])]],
    ['extension-encoding', 'an extension that spells out FALSE', [spelledOut]],
  ])('is refused with 403 and the code %s: %s', (code, _case, extensions) => {
    const error = thrownBy(() => judge(requestWith(extensions)));
    expect(error).toMatchObject({ type: 'csr-forbidden', status: 403, extensions: { code } });
  });

  it.each([
    ['ca-requested', 'a CA certificate', [caConstraints()]],
    ['key-usage', 'keyCertSign', [keyUsage(['digitalSignature', 'keyCertSign'])]],
    ['alternative-name', 'another name', [subjectAltName([{ type: 'dns', value: 'child02' }])]],
    ['extension-unknown', 'an unknown critical extension', [unknownCritical]],
  ])('is refused with the code %s in Microsoft’s attribute too: %s', (code, _case, extensions) => {
    const error = thrownBy(() => judge(requestIn({ microsoftExtensionRequest: extensions })));
    expect(error).toMatchObject({ type: 'csr-forbidden', extensions: { code } });
  });

  it('is refused in whichever of both attributes it stands, and so is the same extension in both', () => {
    const good = [leafConstraints()];
    const both = (microsoftExtensionRequest: readonly Buffer[]) =>
      thrownBy(() => judge(requestIn({ extensionRequest: good, microsoftExtensionRequest })));
    expect(both([keyUsage(['cRLSign'])])).toMatchObject({ extensions: { code: 'key-usage' } });
    expect(both([caConstraints()])).toMatchObject({ extensions: { code: 'extension-repeated' } });
  });

  it.each([
    ['common-name', encodeSubject({ commonName: 'child02' })],
    ['common-name', encodeSubject({ commonName: 'Child01' })],
    [
      'common-names',
      sequence(
        encodeSubject({ commonName: 'child01' }).subarray(2),
        encodeSubject({ commonName: 'child01' }).subarray(2),
      ),
    ],
  ])('is refused with 403 and the code %s: another subject', (code, subject) => {
    expect(thrownBy(() => judge(requestWith([], subject)))).toMatchObject({
      type: 'csr-forbidden',
      extensions: { code },
    });
  });

  it.each<SubjectAltName>([
    { type: 'uri', value: 'spiffe://sallyport.local/device/child02' },
    { type: 'uri', value: 'spiffe://sallyport.local/admin/child01' },
    { type: 'uri', value: 'spiffe://other.example/device/child01' },
    { type: 'dns', value: 'child02' },
    { type: 'dns', value: 'localhost' },
    { type: 'ip', value: '127.0.0.1' },
    { type: 'email', value: 'child01@example.com' },
  ])('is refused to a device: $type $value', (name) => {
    expect(thrownBy(() => judge(asking(name)))).toMatchObject({
      type: 'csr-forbidden',
      extensions: { code: 'alternative-name' },
    });
  });
});

describe('why a request is refused', () => {
  it('is told in a few words, however long the name that was asked for', () => {
    const message = (action: () => unknown) => String(thrownBy(action));
    const value = 'a'.repeat(10_000);
    expect(message(() => judge(asking({ type: 'dns', value }))).length).toBeLessThan(300);
    const subject = sequence(setOf(sequence(oid(oids.commonName), utf8String(value))));
    expect(message(() => judge(requestWith([], subject))).length).toBeLessThan(300);
  });
});

describe('what a request may ask for', () => {
  it.each([
    ['nothing', []],
    ['its own identity', [subjectAltName([child01Uri])]],
    ['its own id as a host name, in any case', [subjectAltName([{ type: 'dns', value: 'Child01' }])]],
    [
      'usages and purposes a TLS peer has',
      [keyUsage(['digitalSignature', 'keyEncipherment']), extendedKeyUsage(['serverAuth'])],
    ],
    ['not being a CA', [leafConstraints()]],
    ['an unknown extension that is not critical', [sequence(oid('1.2.3.4'), octetString(sequence()))]],
  ])('is let pass: %s', (_case, extensions) => {
    expect(() => judge(requestWith(extensions))).not.toThrow();
  });

  it('is let pass without a subject, which the issuer builds anyway', () => {
    expect(() => judge(requestWith([], sequence()))).not.toThrow();
  });

  it('is any well-formed host for a service, and only those the site permits where it says so', () => {
    const request = asking({ type: 'dns', value: 'localhost' }, { type: 'ip', value: '127.0.0.1' });
    const agent = { deviceId: child01 };
    const check = (permittedHosts?: string[]) =>
      checkCertificateRequest(request, certificateProfiles.service, { ...agent, permittedHosts });
    expect(() => check()).not.toThrow();
    expect(() => check(['localhost', '127.0.0.1'])).not.toThrow();
    expect(() => check(['localhost'])).toThrow('asks for the name ip "127.0.0.1"');
  });

  it.each([
    [{ type: 'dns', value: 'a_b.example' } as const, 'is not a host name'],
    [{ type: 'dns', value: '*.example.com' } as const, 'is not a host name'],
    [{ type: 'ip', value: '0.0.0.0' } as const, 'is the unspecified address'],
  ])('is refused with 400 when a service asks for a malformed host: %j', (name, fault) => {
    const error = thrownBy(() => judge(asking({ type: 'uri', value: serviceUri }, name), certificateProfiles.service));
    expect(error).toMatchObject({ type: 'csr-rejected', message: expect.stringContaining(fault) });
  });

  it('is a wildcard for a server, which has to have a host name', () => {
    expect(() => judge(asking({ type: 'dns', value: '*.example.com' }), certificateProfiles.server)).not.toThrow();
    expect(() => judge(requestWith([]), certificateProfiles.server)).toThrow('needs a DNS name or an IP address');
  });

  const serviceUri = 'spiffe://sallyport.local/service/child01';
});

describe('the names a leaf gets', () => {
  it('are its identity first, then each host it asked for once, in lower case', () => {
    const request = asking(
      { type: 'dns', value: 'GW.example' },
      { type: 'uri', value: 'spiffe://plant.example/service/agent' },
      { type: 'ip', value: '10.0.0.1' },
      { type: 'dns', value: 'gw.example' },
    );
    const identity = { deviceId: deviceId.parse('agent'), trustDomain: 'plant.example' };
    expect(leafAltNames(request, certificateProfiles.service, identity)).toEqual([
      { type: 'uri', value: 'spiffe://plant.example/service/agent' },
      { type: 'dns', value: 'gw.example' },
      { type: 'ip', value: '10.0.0.1' },
    ]);
  });

  it('are the identity alone when the request asks for none', () => {
    expect(leafAltNames(requestWith([]), certificateProfiles.device, { deviceId: child01 })).toEqual([child01Uri]);
  });
});

describe('a request of a key the profile does not take', () => {
  it('is refused with 400', () => {
    const request = parseCertificateRequest(
      buildCertificateRequest({ privateKey: ecKeyPair('P-384').privateKey, commonName: 'child01' }),
    );
    const profile = { ...certificateProfiles.device, keys: ['P-256'] as const };
    expect(thrownBy(() => judge(request, profile))).toMatchObject({
      type: 'csr-rejected',
      message:
        'CSR rejected: it has a key EC P-384, and profile "device" takes P-256. Make a new key and send the CSR again.',
    });
  });
});

describe('a request of an OCF device', () => {
  const uuid = 'b5a2a42e-b285-42f1-a36b-034c8fc8efd5';
  const named = (commonName: string) => requestWith([], encodeSubject({ commonName }));
  const check = (request: ReturnType<typeof requestWith>, profile: CertificateProfile, alias?: string) =>
    checkCertificateRequest(request, profile, { deviceId: deviceId.parse(`uuid:${uuid}`), alias });

  it.each([`uuid:${uuid}`, `uuid:${uuid.toUpperCase()}`, `UUID:${uuid}`])('may have the common name %s', (name) => {
    expect(() => check(named(name), certificateProfiles.ocfDevice)).not.toThrow();
  });

  it.each([uuid, `uuid:${uuid}:1`, 'uuid:00000000-0000-4000-8000-000000000000'])('may not have the name %s', (name) => {
    expect(() => check(named(name), certificateProfiles.ocfDevice)).toThrow('send CN=uuid:b5a2a42e-');
  });

  it('may ask for the purpose of OCF, which no other request may', () => {
    const purposes = requestWith([extendedKeyUsage(['clientAuth', 'serverAuth', '1.3.6.1.4.1.44924.1.6'])], sequence());
    expect(() => check(purposes, certificateProfiles.ocfDevice)).not.toThrow();
    expect(() => check(purposes, certificateProfiles.device)).toThrow('asks for the purpose 1.3.6.1.4.1.44924.1.6');
  });

  it('is refused with an RSA or Ed25519 key, which cannot agree on keys', () => {
    const { privateKey: ed25519 } = generateKeyPairSync('ed25519');
    const request = parseCertificateRequest(
      buildCertificateRequest({ privateKey: ed25519, commonName: `uuid:${uuid}` }),
    );
    expect(() => check(request, certificateProfiles.ocfDevice)).toThrow('profile "OCF device" takes P-256, P-384');
  });

  it('may have another common name only where the issuer knows it as an alias', () => {
    expect(() => check(named('coap-gateway'), certificateProfiles.ocfDevice, 'coap-gateway')).not.toThrow();
    expect(() => check(named('connector'), certificateProfiles.ocfDevice, 'coap-gateway')).toThrow('and you are uuid:');
  });
});
