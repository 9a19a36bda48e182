import { TestCa } from '@sallyport/testkit';
import { decodeCertsOnly, parseCertificate, pemFromDer } from '@sallyport/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { csrFor, enrolmentOf, newKey } from '../signer.fixture.js';
import { ask, type OpenEstEntrance, openEstEntrance, post } from './est-entrance.fixture.js';

const hours = 3600;
const renewPath = '/.well-known/est/simplereenroll';

describe('EST with a client certificate that has ended', () => {
  let entrance: OpenEstEntrance;
  beforeAll(async () => {
    entrance = await openEstEntrance({ serviceValiditySeconds: hours, deviceValiditySeconds: hours });
  });
  afterAll(() => entrance[Symbol.asyncDispose]());

  /** Enrolled some hours ago, for one hour. CAs are dated back by a day, so it was valid then. */
  async function endedIdentity(deviceId: string, profile: 'device' | 'service') {
    const { site } = entrance;
    site.clock.advance(-12 * hours);
    const key = newKey();
    const token = await site.token({ deviceId, profile });
    const record = await site.signer.enrolment.enrol(enrolmentOf(deviceId, token, csrFor(deviceId, key)));
    site.clock.advance(12 * hours);
    const cert = pemFromDer('CERTIFICATE', Buffer.from(record.certificate, 'base64'));
    return { cert, key: key.export({ type: 'pkcs8', format: 'pem' }).toString(), record };
  }

  const renewal = (name: string) => ({
    method: 'POST',
    headers: { 'content-type': 'application/pkcs10' },
    body: csrFor(name).toString('base64'),
  });

  it('renews it for a service', async () => {
    const { cert, key } = await endedIdentity('mqtt-bridge', 'service');
    const { status, body } = await ask(entrance, renewPath, { ...renewal('mqtt-bridge'), cert, key });
    expect(status).toBe(200);
    const [leaf] = decodeCertsOnly(Buffer.from(body, 'base64')).map(parseCertificate);
    expect(leaf?.subject.text).toBe('CN=mqtt-bridge,O=Test Site');
    expect(leaf?.notAfter.getTime()).toBeGreaterThan(entrance.site.clock.now().getTime());
  });

  it('tells a device when it ended and how to come back', async () => {
    const { cert, key, record } = await endedIdentity('child01', 'device');
    const { status, body } = await ask(entrance, renewPath, { ...renewal('child01'), cert, key });
    expect(status).toBe(403);
    expect(body).toMatch(`The certificate ended ${record.notAfter}. To come back, get a new one-time token`);
  });

  it('lets the device enrol again with a token, and fetch the CAs, over such a connection', async () => {
    const { cert, key } = await endedIdentity('child02', 'device');
    const token = await entrance.site.token({ deviceId: 'child02' });
    const request = post('child02', token, csrFor('child02').toString('base64'));
    expect((await ask(entrance, '/.well-known/est/simpleenroll', { ...request, cert, key })).status).toBe(200);
    expect((await ask(entrance, '/.well-known/est/cacerts', { cert, key })).status).toBe(200);
  });

  it('refuses one that another CA of the same name made', async () => {
    const notAfter = new Date(Date.now() - 3_600_000);
    await using forger = await TestCa.create({ commonName: 'Test Site Service Issuing G1' });
    const forged = await forger.issue({ commonName: 'mqtt-bridge', notAfter });
    const { certPem: cert, keyPem: key } = forged;
    const { status, body } = await ask(entrance, renewPath, { ...renewal('mqtt-bridge'), cert, key });
    expect(status).toBe(403);
    expect(body).toMatch('The client certificate is past its end date.');
  });
});
