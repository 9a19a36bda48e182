import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OcfDevice, type OcfDeviceOptions, waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type CoapPeer, coapClients } from './coap-peer.js';
import { CoapSite } from './coap-site.js';
import { type System, succeeded } from './system.js';

const [lampId, pumpId] = ['b5a2a42e-b285-42f1-a36b-034c8fc8efd5', '61be3f3f-9a0d-4b5e-8f0a-3c1d2e4f5a6b'];
const fanId = '0a0b0c0d-0000-4000-8000-000000000001';
const deviceList = z.object({ devices: z.array(z.object({ deviceId: z.string(), isOnline: z.boolean() })) });

describe('the CoAP gateway, as devices made with libcoap see it', () => {
  let site: CoapSite;
  let system: System;
  let lamp: CoapPeer;

  beforeAll(async () => {
    site = await CoapSite.start();
    ({ system } = site);
    lamp = await site.device(lampId);
  });

  afterAll(() => site?.[Symbol.asyncDispose]());

  /** Connects a device and signs it in. */
  async function signedIn(peer: CoapPeer, options: Partial<OcfDeviceOptions> = {}): Promise<OcfDevice> {
    const { accesstoken, uid } = await site.signUp(peer);
    const file = await peer.bodyFile('sign-in.cbor', { di: peer.id, uid, accesstoken, login: true });
    const device = await peer.connect(options);
    expect(await device.ask(`POST /oic/sec/session ${file}`)).toMatch(/^2\.04 \{"expiresin": -?\d+\}$/);
    return device;
  }

  /** Whether the device with this UUID is online, as an administrator sees it. */
  async function isOnline(id: string): Promise<boolean | undefined> {
    const answer = succeeded(await system.sallyport('coap', 'devices', '--json'));
    const { devices } = deviceList.parse(JSON.parse(answer));
    return devices.find(({ deviceId }) => deviceId === `uuid:${id}`)?.isOnline;
  }

  it('shows a device online while it is signed in, and offline afterwards', async () => {
    const device = await signedIn(lamp);
    expect(await isOnline(lampId)).toBe(true);
    await device[Symbol.asyncDispose]();
    await waitFor(async () => (await isOnline(lampId)) === false, { what: 'the device to be offline' });
  });

  it('ends the older connection of a device when a newer one signs in, and the device stays online', async () => {
    await using older = await signedIn(lamp);
    await using newer = await signedIn(lamp);
    await older.closed();
    expect(await isOnline(lampId)).toBe(true);
    expect(await newer.ask('GET /x.plgd.dev/time')).toMatch(/^2\.05 \{"time": /);
  });

  it.each([
    ['OpenSSL, TLS 1.2', 'coap-client-openssl', 'MaxProtocol = TLSv1.2'],
    ['OpenSSL, TLS 1.3', 'coap-client-openssl', 'MinProtocol = TLSv1.3'],
  ] as const)('tells why it closes, 100 times of 100: %s', async (_library, client, protocol) => {
    const answers: unknown[] = [];
    const openssl = join(system.directory, 'openssl.cnf');
    const sections = ['openssl_conf = all', '[all]', 'ssl_conf = ssl', '[ssl]', 'system_default = tls', '[tls]'];
    await writeFile(openssl, [...sections, protocol, ''].join('\n'));
    for (let run = 0; run < 100; run += 1)
      answers.push(await lamp.ask('/oic/res', { method: 'get', client, env: { OPENSSL_CONF: openssl } }));
    expect(answers).toHaveLength(100);
    expect(new Set(answers)).toEqual(
      new Set(["4.01 cannot handle request to path '/oic/res': invalid authorization context"]),
    );
  });

  it('cuts a revoked device within a second, and does not let it in again', async () => {
    const pump = await site.device(pumpId);
    await using device = await signedIn(pump);
    succeeded(await system.sallyport('device', 'revoke', `uuid:${pumpId}`));
    const revokedAt = performance.now();
    await device.closed();
    expect(performance.now() - revokedAt).toBeLessThan(1_000);
    for (const client of coapClients) expect(await pump.ask('/x.plgd.dev/time', { method: 'get', client })).toBe('');
    expect(succeeded(await system.sallyport('device', 'show', `uuid:${pumpId}`))).toContain('device-revoked');
  });

  it('cuts a device within a second when its UUID gets a new identity, and lets only the new one in', async () => {
    const fan = await site.device(fanId);
    await using device = await signedIn(fan);
    const out = join(system.directory, 'new-fan');
    succeeded(await system.sallyport('coap', 'identity', '--device', fanId, '--out', out));
    const issuedAt = performance.now();
    await device.closed();
    expect(performance.now() - issuedAt).toBeLessThan(1_000);
    expect(await fan.ask('/x.plgd.dev/time', { method: 'get' })).toBe('');
    const files = [join(out, 'identity.pem'), join(out, 'identity.key'), join(out, 'ca.pem')] as const;
    const identity = ['-c', files[0], '-j', files[1], '-R', files[2]];
    const time = `coaps+tcp://127.0.0.1:${system.ports.coap}/x.plgd.dev/time`;
    expect(succeeded(await system.run('coap-client-openssl', [...identity, time]))).toContain('time');
  });

  it('takes the identity of a device that signs off, until the device gets a new one', async () => {
    const id = '0a0b0c0d-0000-4000-8000-000000000002';
    const fan = await site.device(id);
    await using device = await signedIn(fan);
    expect(await device.ask('DELETE /oic/sec/account')).toMatch(/^2\.02/);
    await device.closed();
    for (const client of coapClients) expect(await fan.ask('/x.plgd.dev/time', { method: 'get', client })).toBe('');
    succeeded(await system.sallyport('coap', 'identity', '--device', id, '--out', join(system.directory, id)));
    expect(await fan.ask('/x.plgd.dev/time', { method: 'get' })).toMatchObject({ time: expect.any(String) });
    await using again = await signedIn(fan);
    expect(await again.ask('GET /x.plgd.dev/time')).toMatch(/^2\.05/);
  });

  it('shows no device online that lost its connection by kill -9 of the gateway', async () => {
    await using device = await signedIn(lamp);
    expect(await isOnline(lampId)).toBe(true);
    await system.kill();
    await device.closed();
    await system.resume();
    await waitFor(async () => (await isOnline(lampId)) === false, {
      what: 'the device to be offline',
      deadlineMs: 100_000,
    });
  });
});

describe('EST over CoAP, with libcoap', () => {
  let site: CoapSite;
  let system: System;

  beforeAll(async () => {
    site = await CoapSite.start();
    ({ system } = site);
  });

  afterAll(() => site?.[Symbol.asyncDispose]());

  it.each(coapClients)('gives the CA certificates to whoever asks: %s', async (client) => {
    succeeded(await system.sallyport('ca', 'export', '--output', 'ca.pem'));
    const uri = `coaps+tcp://127.0.0.1:${system.ports.pkiCoap}/.well-known/est/crts`;
    succeeded(await system.run(client, ['-A', '281', '-o', 'crts.p7', '-R', 'ca.pem', uri]));
    const print = ['pkcs7', '-inform', 'DER', '-in', 'crts.p7', '-print_certs', '-noout'];
    expect(succeeded(await system.run('openssl', print))).toContain('CN = Sallyport Root G1');
  });

  it('lets a device that has a one-time token enrol, renew, and use its certificate at the gateway', async () => {
    const id = 'd0d0cafe-0000-4000-8000-000000000001';
    const file = (name: string) => join(system.directory, name);
    succeeded(await system.sallyport('ca', 'export', '--output', 'ca.pem'));
    const token = succeeded(await system.sallyport('device', 'enroll-token', `uuid:${id}`)).trim();
    await writeFile(file('authz-info'), `uuid:${id}:${token}`);
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'own.key'];
    const request = ['req', '-new', ...key, '-subj', `/CN=uuid:${id}`, '-outform', 'DER', '-out', 'own.csr'];
    succeeded(await system.run('openssl', request));

    await using device = await OcfDevice.start({ port: system.ports.pkiCoap, id, caPath: file('ca.pem') });
    expect(await device.ask(`POST /authz-info ${file('authz-info')} 0`)).toMatch(/^2\.0[14]/);
    const [code, hex = ''] = (await device.ask(`POST /.well-known/est/sen ${file('own.csr')} 286 287`)).split(' ');
    expect(code).toBe('2.04');
    await writeFile(file('own.der'), Buffer.from(hex, 'hex'));
    succeeded(await system.run('openssl', ['x509', '-inform', 'DER', '-in', 'own.der', '-out', 'own.pem']));

    const identity = ['-c', 'own.pem', '-j', 'own.key', '-R', 'ca.pem'];
    const renewal = ['-m', 'post', '-t', '286', '-A', '287', '-f', 'own.csr', '-o', 'next.der', ...identity];
    const sren = `coaps+tcp://127.0.0.1:${system.ports.pkiCoap}/.well-known/est/sren`;
    expect(succeeded(await system.run('coap-client-openssl', [...renewal, sren]))).toBe('');
    succeeded(await system.run('openssl', ['x509', '-inform', 'DER', '-in', 'next.der', '-out', 'own.pem']));
    expect(succeeded(await system.run('openssl', ['x509', '-in', 'own.pem', '-noout', '-subject']))).toContain(id);

    const time = `coaps+tcp://127.0.0.1:${system.ports.coap}/x.plgd.dev/time`;
    expect(succeeded(await system.run('coap-client-openssl', [...identity, time]))).toContain('time');
  });
});
