import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type CoapAsking, type CoapPeer, coapClients } from './coap-peer.js';
import { CoapSite } from './coap-site.js';
import { readDocument } from './seeds/document.js';
import { type System, succeeded } from './system.js';

const [lampId, pumpId] = ['b5a2a42e-b285-42f1-a36b-034c8fc8efd5', '61be3f3f-9a0d-4b5e-8f0a-3c1d2e4f5a6b'];
const account = '/oic/sec/account';
const session = '/oic/sec/session';
const signedUp = z.object({ accesstoken: z.string(), refreshtoken: z.string(), uid: z.string() });

/**
 * The tests follow the order of the page. The names of its settings, and the rule it has for the provider, are used
 * exactly as printed, with a domain in place of `<YOUR_DOMAIN>`. The page shows the rule without its last two braces.
 *
 * The provider of the page is Auth0. Here it is `oidc-provider`, and what the rule adds to tokens is added by it.
 */
describe('the page on advanced security, followed letter by letter', () => {
  let page: string;
  let claim: string;
  let site: CoapSite;
  let system: System;
  let lamp: CoapPeer;
  let pump: CoapPeer;

  beforeAll(async () => {
    page = (await readDocument('coap')).replaceAll('<YOUR_DOMAIN>', 'plant.example');
    claim = /var deviceIdClaim = '(.*)';/.exec(page)?.[1] ?? '';
    site = await CoapSite.start();
    ({ system } = site);
    lamp = await site.device(lampId);
    pump = await site.device(pumpId);
  });

  afterAll(() => site?.[Symbol.asyncDispose]());

  /** What the rule of the page adds to the tokens of somebody who asked for a code with `device_id`. */
  function claimsFor(deviceId: string | undefined): Record<string, string> {
    const [, code = ''] =
      /(function \(user, context, callback\)[\s\S]*?callback\(null, user, context\);)/.exec(page) ?? [];
    const context = { request: { query: { device_id: deviceId } }, accessToken: {} };
    runInNewContext(`(${code}}})({}, context, () => undefined)`, { context });
    return context.accessToken;
  }

  const code = (deviceId?: string) => site.provider.codeFor('alice', claimsFor(deviceId));

  /** Signs a device up with a token that has the device id; the content of the answer. */
  const signUp = async (peer: CoapPeer, tokenOf: string | undefined, di = peer.id, asking: CoapAsking = {}) =>
    peer.ask(account, { body: { di, accesstoken: await code(tokenOf), authprovider: 'plant' }, ...asking });

  /** A token with the device id, for a device that is signed up. */
  async function tokensOf(peer: CoapPeer, tokenOf: string | undefined) {
    return signedUp.parse(await signUp(peer, tokenOf));
  }

  describe('clientCertificateRequired: true', () => {
    it('is the default', async () => {
      expect(page).toMatch(/# default\s+clientCertificateRequired: true/);
      expect(succeeded(await system.sallyport('config', 'get', 'api.coap.tls.clientCertificateRequired'))).toBe(
        'true\n',
      );
    });

    it.each(coapClients)('lets nobody in without an identity certificate: %s', async (client) => {
      expect(await lamp.ask('/x.plgd.dev/time', { method: 'get', client })).toMatchObject({ time: expect.any(String) });
      expect(await lamp.ask('/x.plgd.dev/time', { method: 'get', client, isAnonymous: true })).toBe('');
    });
  });

  describe('2. without the claim, the certificate says which device it is', () => {
    it.each(coapClients)('signs up and in, whatever the request says: %s', async (client) => {
      const { accesstoken, uid } = signedUp.parse(await signUp(lamp, undefined, pumpId, { client }));
      expect(uid).toBe('alice');
      const body = { di: pumpId, uid, accesstoken, login: true };
      expect(await lamp.ask(session, { body, client })).toEqual({ expiresin: expect.any(Number) });
      expect(succeeded(await system.sallyport('device', 'show', `uuid:${lampId}`))).toMatch(/ connect /);
      expect(succeeded(await system.sallyport('device', 'show', `uuid:${pumpId}`))).not.toMatch(/ connect /);
    });
  });

  describe('1. with api.coap.authorization.deviceIDClaim, the token says it', () => {
    beforeAll(() => site.restartWith({ 'api.coap.authorization.deviceIDClaim': claim }));

    it('is set under the name of the page', async () => {
      expect(claim).toBe('https://plant.example/deviceId');
      const key = 'coap.authorization.device_id_claim';
      expect(succeeded(await system.sallyport('config', 'get', key))).toBe(`${claim}\n`);
    });

    it.each(coapClients)('lets the device sign up, in and out with a code of its rule: %s', async (client) => {
      const { accesstoken, uid, refreshtoken } = signedUp.parse(await signUp(lamp, lampId, lampId, { client }));
      const body = { di: lampId, uid, accesstoken };
      expect(await lamp.ask(session, { body: { ...body, login: true }, client })).toEqual({
        expiresin: expect.any(Number),
      });
      expect(await lamp.ask(session, { body: { ...body, login: false }, client })).toEqual({});
      expect(await lamp.ask('/oic/sec/tokenrefresh', { body: { di: lampId, uid, refreshtoken }, client })).toEqual({
        accesstoken: expect.any(String),
        refreshtoken: expect.any(String),
        expiresin: expect.any(Number),
      });
    });

    const missing = `access token doesn't contain the required device id claim('https://plant.example/deviceId')`;
    const different = `access token issued to the device ('${lampId}') used by the different device ('${pumpId}')`;

    it.each([
      ['without the claim', undefined, missing],
      ['of another device than that of the certificate', lampId, different],
    ])('answers a sign-up with a token %s with Unauthorized, and closes', async (_token, tokenOf, reason) => {
      await using device = await pump.connect();
      const body = { di: pumpId, accesstoken: await code(tokenOf), authprovider: 'plant' };
      const file = await pump.bodyFile('up.cbor', body);
      expect(await device.ask(`POST ${account} ${file}`)).toBe(`4.01 cannot handle sign up: ${reason}`);
      await device.closed();
    });

    it.each([
      ['sign in', true],
      ['sign out', false],
    ])('does so at %s', async (call, login) => {
      const { accesstoken, uid } = await tokensOf(lamp, lampId);
      await using device = await pump.connect();
      const file = await pump.bodyFile('session.cbor', { di: pumpId, uid, accesstoken, login });
      expect(await device.ask(`POST ${session} ${file}`)).toBe(`4.01 cannot handle ${call}: ${different}`);
      await device.closed();
    });

    it('does so at the refresh of a token, and at sign off', async () => {
      const { refreshtoken, uid } = await tokensOf(lamp, lampId);
      await using device = await pump.connect();
      const file = await pump.bodyFile('refresh.cbor', { di: pumpId, uid, refreshtoken });
      expect(await device.ask(`POST /oic/sec/tokenrefresh ${file}`)).toContain(different);
      await device.closed();
    });

    it('lets a device sign off that is signed in, and knows it no more', async () => {
      const { accesstoken, uid } = await tokensOf(pump, pumpId);
      await using device = await pump.connect();
      const file = await pump.bodyFile('in.cbor', { di: pumpId, uid, accesstoken, login: true });
      expect(await device.ask(`POST ${session} ${file}`)).toMatch(/^2\.04 /);
      expect(await device.ask(`DELETE ${account}`)).toBe('2.02');
      // Its certificate is revoked, so the next connection ends before anything is said.
      await device.closed();
      expect(await pump.ask(session, { body: { di: pumpId, uid, accesstoken, login: true } })).toBe('');
    });
  });

  describe('3. without claim and certificate, the parameter of the request says it', () => {
    const otherId = 'c0ffee00-0000-4000-8000-000000000001';

    beforeAll(() =>
      site.restartWith({
        'api.coap.authorization.deviceIDClaim': undefined,
        'api.coap.tls.clientCertificateRequired': 'false',
      }),
    );

    it.each(coapClients)('signs up and in the device of the request: %s', async (client) => {
      const asking = { client, isAnonymous: true };
      const { accesstoken, uid } = signedUp.parse(await signUp(lamp, undefined, otherId, asking));
      const body = { di: otherId, uid, accesstoken, login: true };
      expect(await lamp.ask(session, { body, ...asking })).toEqual({ expiresin: expect.any(Number) });
      expect(succeeded(await system.sallyport('device', 'show', `uuid:${otherId}`))).toMatch(/ connect /);
    });
  });
});
