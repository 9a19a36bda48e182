import { deviceId, hubIdOf, ocfDeviceId, ocfUuid, siteRecord } from '@sallyport/protocol';
import { parseCertificate } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import type { CertificateRecord } from '../inventory/certificate-record.js';
import { csrFor, enrolmentOf, newKey, openTestSite, problemOf, type TestSite } from '../signer.fixture.js';

const uuid = 'b5a2a42e-b285-42f1-a36b-034c8fc8efd5';
const name = `uuid:${uuid}`;
const inCapitals = `uuid:${uuid.toUpperCase()}`;

const leafOf = ({ certificate }: Pick<CertificateRecord, 'certificate'>) =>
  parseCertificate(Buffer.from(certificate, 'base64'));

const hubOf = async ({ store }: TestSite) => hubIdOf(siteRecord.parse((await store.get('site'))?.value).siteId);

describe('the identity of an OCF device', () => {
  it('is chosen by its name: a client, a server and an OCF identity, which may sign and agree on keys', async () => {
    await using site = await openTestSite();
    const record = await site.signer.enrolment.enrol(enrolmentOf(name, await site.token({ deviceId: name })));
    const leaf = leafOf(record);
    expect(leaf.subject.text).toBe(`CN=${name},O=Test Site`);
    expect(leaf.extendedKeyUsages).toEqual(['clientAuth', 'serverAuth', '1.3.6.1.4.1.44924.1.6']);
    expect(leaf.keyUsages).toEqual(['digitalSignature', 'keyAgreement']);
    expect([record.kind, record.profile, record.issuer]).toEqual(['device', 'device', 'device-1']);
  });

  it('is in lower case, however token, login and CSR spell it', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: inCapitals });
    const record = await site.signer.enrolment.enrol(enrolmentOf(`UUID:${uuid}`, token, csrFor(inCapitals)));
    expect([record.deviceId, leafOf(record).subject.commonNames]).toEqual([name, [name]]);
    expect(site.registry.questions).toEqual([{ deviceId: name, kind: 'device', reinstate: false }]);
  });

  it('is renewed as what it is', async () => {
    await using site = await openTestSite();
    const first = await site.signer.enrolment.enrol(enrolmentOf(name, await site.token({ deviceId: name })));
    const { fingerprint } = first;
    const request = { fingerprint, deviceId: deviceId.parse(name), csr: csrFor(name) };
    const renewed = await site.signer.renewal.renew({
      ...request,
      channelBindings: () => [],
      remoteAddress: '127.0.0.1',
      profile: 'device',
    });
    expect(leafOf(renewed).extendedKeyUsages).toEqual(['clientAuth', 'serverAuth', '1.3.6.1.4.1.44924.1.6']);
  });

  it('is not given to a service or an administrator of such a name', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: name, profile: 'admin' });
    const record = await site.signer.enrolment.enrol(enrolmentOf(name, token));
    expect(leafOf(record).extendedKeyUsages).toEqual(['clientAuth']);
  });

  it.each(['uuid:zzz', 'uuid:b5a2a42e', `uuid:${uuid}:1`, 'UUID:'])('gets no token for %s', async (wrong) => {
    await using site = await openTestSite();
    const problem = await problemOf(site.token({ deviceId: wrong }));
    expect([problem.type, problem.message]).toEqual(['invalid-request', expect.stringContaining('no UUID follows')]);
  });
});

describe('the id of the CoAP gateway', () => {
  it('is given to no device: not the one of the site', async () => {
    await using site = await openTestSite();
    const hub = ocfDeviceId(await hubOf(site));
    const token = await site.token({ deviceId: hub });
    const problem = await problemOf(site.signer.enrolment.enrol(enrolmentOf(hub, token)));
    expect([problem.status, problem.message]).toEqual([
      403,
      `The name "${hub}" is the id of the CoAP gateway of this site. Give the device another UUID.`,
    ]);
  });

  it('is given to no device: not the one of the settings', async () => {
    await using site = await openTestSite({ hubId: ocfUuid.parse(uuid) });
    const token = await site.token({ deviceId: name });
    expect((await problemOf(site.signer.enrolment.enrol(enrolmentOf(name, token)))).type).toBe('csr-forbidden');
  });

  it('is the name in the certificate of the gateway, which OCF devices accept', async () => {
    await using site = await openTestSite();
    const request = csrFor('coap-gateway', newKey(), [{ type: 'dns', value: 'localhost' }]);
    const order = { name: deviceId.parse('coap-gateway'), request, permittedHosts: ['localhost'] };
    const [der = Buffer.alloc(0)] = await site.signer.serverIssuance.issue(order);
    const leaf = parseCertificate(der);
    const hub = ocfDeviceId(await hubOf(site));
    expect(leaf.subject.commonNames).toEqual([hub]);
    expect(leaf.extendedKeyUsages).toEqual(['clientAuth', 'serverAuth', '1.3.6.1.4.1.44924.1.6']);
    expect(leaf.subjectAltNames.map(({ value }) => value)).toEqual([
      `spiffe://sallyport.local/service/${encodeURIComponent(hub)}`,
      'localhost',
    ]);
    const { record } = await site.signer.inventory.find(leaf.fingerprint);
    expect([record.deviceId, record.kind, record.profile]).toEqual([hub, 'service', 'hub']);
  });

  it('may be in the request of the gateway, but only as the signer knows it', async () => {
    await using site = await openTestSite({ hubId: ocfUuid.parse(uuid) });
    const ask = (commonName: string) => {
      const request = csrFor(commonName, newKey(), [{ type: 'dns', value: 'localhost' }]);
      const order = { name: deviceId.parse('coap-gateway'), request, permittedHosts: ['localhost'] };
      return site.signer.serverIssuance.issue(order);
    };
    const [der = Buffer.alloc(0)] = await ask(name);
    expect(parseCertificate(der).subject.commonNames).toEqual([name]);
    expect((await problemOf(ask('uuid:00000000-0000-4000-8000-000000000000'))).type).toBe('csr-forbidden');
  });

  it('is not given to the connector', async () => {
    await using site = await openTestSite();
    const hub = ocfDeviceId(await hubOf(site));
    const request = csrFor(hub, newKey(), [{ type: 'dns', value: 'localhost' }]);
    const order = { name: deviceId.parse('connector'), request, permittedHosts: ['localhost'] };
    expect((await problemOf(site.signer.serverIssuance.issue(order))).type).toBe('csr-forbidden');
  });
});
