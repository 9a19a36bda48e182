import { connect, type TLSSocket } from 'node:tls';
import { TestCa, type TestCertificate, waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatewaySite, hub, lamp, send } from '../gateway-site.fixture.js';

const identityUsage = 'clientAuth,serverAuth,1.3.6.1.4.1.44924.1.6';

describe('the certificate of a device', () => {
  let site: GatewaySite;
  let foreign: TestCa;

  beforeAll(async () => {
    site = await GatewaySite.open();
    foreign = await TestCa.create({ commonName: 'Foreign CA' });
  });
  afterAll(async () => {
    await foreign[Symbol.asyncDispose]();
    await site[Symbol.asyncDispose]();
  });

  /** Whether a CSM came, and why not. */
  const verdictOn = async (device: TestCertificate | undefined): Promise<string> => {
    const refusals = site.registry.refusals.length;
    const shown = device === undefined ? {} : { device };
    const client = await site.connect(shown).catch(() => undefined);
    const isOpened = (await client?.opened) ?? false;
    client?.socket.destroy();
    if (isOpened) return 'CSM';
    await waitFor(() => site.registry.refusals.length > refusals);
    return site.registry.refusals.at(-1)?.reason ?? '';
  };

  it('is an identity of OCF', async () => {
    expect(await verdictOn(await site.device())).toBe('CSM');
  });

  it.each([
    ['without the OCF purpose', `uuid:${lamp}`, 'clientAuth,serverAuth', 'not-ocf-identity'],
    ['without serverAuth', `uuid:${lamp}`, 'clientAuth,1.3.6.1.4.1.44924.1.6', 'not-ocf-identity'],
    ['without clientAuth', `uuid:${lamp}`, 'serverAuth,1.3.6.1.4.1.44924.1.6', 'wrong-purpose'],
    ['without any purpose', `uuid:${lamp}`, null, 'not-ocf-identity'],
    ['of another name', 'my-device-1', identityUsage, 'not-ocf-identity'],
    ['with more after the UUID', `uuid:${lamp}:extra`, identityUsage, 'not-ocf-identity'],
    ['with a name that is no UUID', 'uuid:zzz', identityUsage, 'not-ocf-identity'],
    ['with the name of this cloud', `uuid:${hub}`, identityUsage, 'not-ocf-identity'],
  ])('%s is refused before the CSM, with a reason', async (_what, commonName, extendedKeyUsage, reason) => {
    expect(await verdictOn(await site.device(lamp, { commonName, extendedKeyUsage }))).toBe(reason);
  });

  it('that has expired, or of a foreign CA, or none at all, is refused before the CSM', async () => {
    const expired = await site.device(lamp, {
      notBefore: new Date(Date.now() - 7_200_000),
      notAfter: new Date(Date.now() - 3_600_000),
    });
    expect(await verdictOn(expired)).toBe('certificate-expired');
    const stranger = await foreign.issue({ commonName: `uuid:${lamp}`, extendedKeyUsage: identityUsage });
    expect(await verdictOn(stranger)).toBe('issuer-unknown');
    expect(await verdictOn(undefined)).toBe('no-certificate');
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('counts in a full handshake only (%s)', async (version) => {
    const device = await site.device();
    const options = {
      host: '127.0.0.1',
      port: site.port,
      ca: site.siteCa.certPem,
      cert: device.certPem,
      key: device.keyPem,
      minVersion: version,
      maxVersion: version,
      checkServerIdentity: () => undefined,
    };
    const sessions: Buffer[] = [];
    const first = connect(options);
    first.on('session', (session) => sessions.push(session));
    await firstByte(first);
    first.destroy();
    // No ticket is given at all, so nothing can be resumed.
    const [session] = sessions;
    const second = connect(session === undefined ? options : { ...options, session });
    const byte = await firstByte(second);
    expect(second.isSessionReused() && byte !== undefined).toBe(false);
    second.destroy();
  });
});

describe('a gateway that also trusts the CA of a maker', () => {
  it('lets its devices in, as strangers to this site', async () => {
    await using maker = await TestCa.create({ commonName: 'Maker CA' });
    await using site = await GatewaySite.open({ settings: [`coap.tls.ca_path = "${maker.certPath}"`] });
    const device = await maker.issue({ commonName: `uuid:${lamp}`, extendedKeyUsage: identityUsage });
    await using client = await site.signedIn({ device });
    expect((await send(client, '/oic/sec/session', { login: false })).code).toBe('2.04');
    expect(site.registry.asked.at(-1)).toMatchObject({ deviceId: `uuid:${lamp}`, issuedHere: false });
  });
});

describe('a gateway that asks for no OCF identities', () => {
  it('lets a device in by the id that it names itself, if its user owns it', async () => {
    await using site = await GatewaySite.open({ settings: ['coap.tls.identity_properties_required = false'] });
    const device = await site.device(lamp, { commonName: 'my-device-1', extendedKeyUsage: 'clientAuth,serverAuth' });
    await using client = await site.signedIn({ device });
    expect(site.devices.find(site.uuid(lamp))?.deviceId).toBe(`uuid:${lamp}`);
    expect((await send(client, '/oic/sec/session', { login: false })).code).toBe('2.04');
  });
});

function firstByte(socket: TLSSocket): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    socket.once('data', (bytes) => resolve(bytes));
    socket.once('close', () => resolve(undefined));
    socket.once('error', () => undefined);
  });
}
