import { type OcfDevice, waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CoapPeer } from './coap-peer.js';
import { CoapSite, type SignedUp } from './coap-site.js';
import { type System, succeeded } from './system.js';

const account = '/oic/sec/account';

describe('the owner of a device', () => {
  let site: CoapSite;
  let system: System;
  let devices = 0;

  beforeAll(async () => {
    site = await CoapSite.start();
    ({ system } = site);
  });
  afterAll(() => site?.[Symbol.asyncDispose]());

  /** A device that nobody knows yet, with an identity certificate. */
  async function newDevice(): Promise<{ peer: CoapPeer; name: string }> {
    devices += 1;
    const peer = await site.device(`0b0b0c0d-0000-4000-8000-00000000000${devices}`);
    return { peer, name: `uuid:${peer.id}` };
  }

  async function signIn(peer: CoapPeer, { accesstoken, uid }: SignedUp): Promise<OcfDevice> {
    const file = await peer.bodyFile('sign-in.cbor', { di: peer.id, uid, accesstoken, login: true });
    const device = await peer.connect();
    expect(await device.ask(`POST /oic/sec/session ${file}`)).toMatch(/^2\.04 /);
    return device;
  }

  async function signUpAs(owner: string, peer: CoapPeer): Promise<unknown> {
    const accesstoken = await site.provider.codeFor(owner);
    return peer.ask(account, { body: { di: peer.id, accesstoken, authprovider: 'plant' } });
  }

  /** Whether the CRL that its certificate names lists it. */
  async function isOnCrl({ files: { certificate } }: CoapPeer): Promise<boolean> {
    const words = ['x509', '-in', certificate?.certPath ?? '', '-noout', '-serial', '-ext', 'crlDistributionPoints'];
    const shown = succeeded(await system.run('openssl', words));
    const [, serial = 'none'] = /serial=(\w+)/.exec(shown) ?? [];
    const [url = ''] = /http:\S+/.exec(shown) ?? [];
    succeeded(await system.run('curl', ['-sS', '--fail', '--output', 'now.crl', url]));
    const text = succeeded(await system.run('openssl', ['crl', '-inform', 'DER', '-in', 'now.crl', '-noout', '-text']));
    return text.includes(`Serial Number: ${serial}`);
  }

  const ownerOf = async (name: string) => succeeded(await system.sallyport('device', 'owner', name));

  it('is who signs it up; nobody else can sign it up in between', async () => {
    const { peer, name } = await newDevice();
    await site.signUp(peer);
    expect(await ownerOf(name)).toBe(`"alice" owns device ${name}.\n`);
    expect(await signUpAs('bob', peer)).toBe('4.01 cannot handle sign up: the device is owned by another user');
    expect(await ownerOf(name)).toBe(`"alice" owns device ${name}.\n`);
  });

  it('is another one when an administrator says so: the device is cut within a second, and signs in no more', async () => {
    const { peer, name } = await newDevice();
    const tokens = await site.signUp(peer);
    await using device = await signIn(peer, tokens);
    succeeded(await system.sallyport('device', 'owner', name, 'bob', '--reason', 'sold'));
    const movedAt = performance.now();
    await device.closed();
    expect(performance.now() - movedAt).toBeLessThan(1_000);
    const { accesstoken, uid } = tokens;
    expect(await peer.ask('/oic/sec/session', { body: { di: peer.id, uid, accesstoken, login: true } })).toContain(
      '4.01 cannot handle sign in: ',
    );
    expect(await signUpAs('bob', peer)).toMatchObject({ uid: 'bob' });
    expect(succeeded(await system.sallyport('device', 'show', name))).toMatch(/\nOwner: +bob\n/);
  });

  it('is nobody when an administrator takes it away: its certificate is revoked, and a new one has a new owner', async () => {
    const { peer, name } = await newDevice();
    await using device = await signIn(peer, await site.signUp(peer));
    succeeded(await system.sallyport('device', 'owner', name, '--release'));
    const releasedAt = performance.now();
    await device.closed();
    expect(performance.now() - releasedAt).toBeLessThan(1_000);
    await waitFor(() => isOnCrl(peer), { what: 'the CRL to list the certificate' });
    expect(await signUpAs('bob', peer)).toBe('');
    expect(await ownerOf(name)).toBe(`Nobody owns device ${name}.\n`);
  });

  it('stays when the device is locked, which cuts it within a second, until it is unlocked', async () => {
    const { peer, name } = await newDevice();
    const tokens = await site.signUp(peer);
    await using device = await signIn(peer, tokens);
    succeeded(await system.sallyport('device', 'lock', name));
    const lockedAt = performance.now();
    await device.closed();
    expect(performance.now() - lockedAt).toBeLessThan(1_000);
    succeeded(await system.sallyport('device', 'unlock', name));
    await using again = await signIn(peer, tokens);
    expect(again.lines.length).toBeGreaterThan(0);
  });

  it('is gone with the device when it is deleted', async () => {
    const { peer, name } = await newDevice();
    await using device = await signIn(peer, await site.signUp(peer));
    succeeded(await system.sallyport('device', 'delete', name));
    await device.closed();
    expect(succeeded(await system.sallyport('coap', 'devices'))).not.toContain(name);
    expect(await signUpAs('alice', peer)).toBe('');
  });
});
