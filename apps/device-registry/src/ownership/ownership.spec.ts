import { Controller } from '@nestjs/common';
import { connectMqtt, type Mqtt, RpcHandler, subscribeEvent } from '@sallyport/mqtt';
import {
  auditPage,
  claimDevice,
  deviceDescription,
  deviceEvent,
  deviceOwnerChanged,
  type IdentityRevocation,
  listOwnedDevices,
  readOwner,
  releaseDevice,
  revokeIdentities,
  tokenAdmissionRequest,
} from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { fingerprintOf, issued, peer, RegistryUnderTest, tokenPeer } from '../registry.fixture.js';

const lamp = 'uuid:b5a2a42e-b285-42f1-a36b-034c8fc8efd5';
const remoteAddress = '192.0.2.7';

describe('the owner of a device', () => {
  let registry: RegistryUnderTest;
  let mqtt: Mqtt;
  const announced: z.infer<typeof deviceOwnerChanged.payload>[] = [];

  beforeEach(async () => {
    registry = await RegistryUnderTest.start();
    announced.length = 0;
    mqtt = await connectMqtt(registry.connection('gateway'));
    await subscribeEvent(mqtt, deviceOwnerChanged, async (change) => void announced.push(change));
  });
  afterEach(async () => {
    await mqtt.close();
    await registry.stop();
  });

  const claim = async (name: string, owner: string) =>
    (await registry.ask(claimDevice, { deviceId: name, owner, remoteAddress })).outcome;
  const release = async (name: string, owner: string) =>
    (await registry.ask(releaseDevice, { deviceId: name, owner, remoteAddress })).outcome;
  const ownerOf = async (name: string) => (await registry.ask(readOwner, { deviceId: name })).owner;
  const owned = async (owner: string) => (await registry.ask(listOwnedDevices, { owner })).devices;
  const actions = async () => (await registry.get('/v1/audit', auditPage)).rows.map(({ action }) => action);
  const events = async () => {
    const page = z.object({ events: z.array(deviceEvent) });
    const read = await registry.get(`/v1/devices/${lamp}/timeline`, z.looseObject(page.shape));
    return read.events.map(({ type, payload }) => [type, payload?.['owner']]).toReversed();
  };

  it('is who signs it up first; a device that nobody knows is registered', async () => {
    expect(await ownerOf(lamp)).toBeUndefined();
    expect(await claim(lamp, 'alice')).toBe('owned');
    expect(await ownerOf(lamp)).toBe('alice');
    expect(await owned('alice')).toEqual([lamp]);
    expect((await registry.device(lamp)).state).toBe('active');
    expect(await actions()).toEqual(['device-registered', 'device-owner-set']);
    expect(await events()).toEqual([
      ['provisioned', undefined],
      ['owner_changed', 'alice'],
    ]);
    await waitFor(() => announced.length > 0);
    expect(announced).toEqual([{ deviceId: lamp, owner: 'alice' }]);
  });

  it('stays when somebody else signs it up; a second sign-up of the owner writes nothing', async () => {
    await claim(lamp, 'alice');
    expect(await claim(lamp, 'bob')).toBe('owned-by-another');
    expect(await claim(lamp, 'alice')).toBe('owned');
    expect(await claim(lamp.toUpperCase(), 'bob')).toBe('owned-by-another');
    expect(await ownerOf(lamp)).toBe('alice');
    expect(await owned('bob')).toEqual([]);
    expect(await actions()).toEqual(['device-registered', 'device-owner-set']);
  });

  it('is one of fifty who sign it up at once', async () => {
    const names = Array.from({ length: 50 }, (_name, index) => `owner-${index}`);
    const outcomes = await Promise.all(names.map((name) => claim(lamp, name)));
    expect(outcomes.filter((outcome) => outcome === 'owned')).toHaveLength(1);
    expect(await ownerOf(lamp)).toBe(names[outcomes.indexOf('owned')]);
  });

  it('gives it up, and nobody else does', async () => {
    await claim(lamp, 'alice');
    expect(await release(lamp, 'bob')).toBe('not-owned');
    expect(await release(lamp, 'alice')).toBe('released');
    expect(await ownerOf(lamp)).toBeUndefined();
    expect(await owned('alice')).toEqual([]);
    expect(await release(lamp, 'alice')).toBe('not-owned');
    expect(await actions()).toEqual(['device-registered', 'device-owner-set', 'device-owner-removed']);
    await waitFor(() => announced.length > 1);
    expect(announced[1]).toEqual({ deviceId: lamp });
    expect(await claim(lamp, 'bob')).toBe('owned');
  });

  it('gives it up together with its certificates of this site', async () => {
    const signer = await signerBeside(registry);
    await registry.admit(peer({ deviceId: lamp }));
    await claim(lamp, 'alice');
    await release(lamp, 'alice');
    expect(await registry.admit(peer({ deviceId: lamp }))).toBe('certificate-revoked');
    await waitFor(() => registry.announced.some(({ fingerprints }) => fingerprints.includes(peer().fingerprint)));
    await waitFor(() => signer.length > 0);
    expect(signer).toEqual([{ deviceId: lamp, releasedAt: '2026-06-01T12:00:00.000Z', actor: 'coap-gateway' }]);
    const next = { deviceId: lamp, fingerprint: fingerprintOf('second'), serialNumber: '02' };
    await registry.issued(issued(next));
    expect(await registry.admit(peer(next))).toBe('admitted');
    expect(await claim(lamp, 'bob')).toBe('owned');
  });

  it('loses it when it is deleted; then nobody signs it up before an administrator releases its name', async () => {
    await claim(lamp, 'alice');
    await registry.order('DELETE', `/v1/devices/${lamp}`);
    expect(await ownerOf(lamp)).toBeUndefined();
    expect(await owned('alice')).toEqual([]);
    await waitFor(() => announced.length > 1);
    expect(announced[1]).toEqual({ deviceId: lamp });
    expect(await claim(lamp, 'alice')).toBe('device-refused');
    await registry.order('DELETE', `/v1/tombstones/${lamp}`);
    expect(await claim(lamp, 'alice')).toBe('owned');
  });

  it.each(['lock', 'revoke', 'retire'])('cannot be set after %s', async (action) => {
    await registry.admit(peer({ deviceId: lamp }));
    await registry.change(lamp, action);
    expect(await claim(lamp, 'alice')).toBe('device-refused');
  });

  it('cannot be set for a name that an administrator denies, or that is none of OCF', async () => {
    await registry.order('POST', '/v1/denied', { devices: [lamp] });
    expect(await claim(lamp, 'alice')).toBe('device-refused');
    expect(await claim('pump-17', 'alice')).toBe('device-refused');
    expect(await claim('uuid:1', 'alice')).toBe('device-refused');
  });

  it('stays when it is locked and unlocked', async () => {
    await claim(lamp, 'alice');
    await registry.change(lamp, 'lock');
    await registry.change(lamp, 'unlock');
    expect(await ownerOf(lamp)).toBe('alice');
  });

  it('is the same for a certificate that spells the name in upper case', async () => {
    expect(await registry.admit(peer({ deviceId: lamp.toUpperCase() }))).toBe('admitted');
    await claim(lamp, 'alice');
    expect(await registry.admit(peer({ deviceId: lamp.toUpperCase() }))).toBe('admitted');
    expect((await registry.device(lamp)).owner).toBe('alice');
  });

  it('lets the device get a certificate of this site later', async () => {
    await claim(lamp, 'alice');
    expect(await registry.mayEnrol({ deviceId: lamp, kind: 'device', reinstate: false })).toBe('allowed');
    await registry.issued(issued({ deviceId: lamp }));
    expect(await registry.admit(peer({ deviceId: lamp }))).toBe('admitted');
    const { owner, authority, certificates } = await registry.device(lamp);
    expect([owner, authority, certificates.length]).toEqual(['alice', 'site', 1]);
  });

  it('lets no foreign CA vouch for a device that came without a certificate', async () => {
    await claim(lamp, 'alice');
    expect(await registry.admit(peer({ deviceId: lamp, issuedHere: false }))).toBe('name-conflict');
  });

  describe('at the admin API', () => {
    const order = (payload: object, headers: Record<string, string> = {}) =>
      registry.inject({ method: 'POST', url: `/v1/devices/${lamp}/owner`, payload, headers });

    it('is moved to somebody else, and certificates stay', async () => {
      await registry.admit(peer({ deviceId: lamp }));
      await claim(lamp, 'alice');
      const { status, body } = await order({ owner: 'bob', reason: 'sold' }, { 'sallyport-actor': 'carol' });
      expect([status, deviceDescription.parse(body).owner]).toEqual([200, 'bob']);
      expect([await owned('alice'), await owned('bob')]).toEqual([[], [lamp]]);
      expect(await registry.admit(peer({ deviceId: lamp }))).toBe('admitted');
      const { rows } = await registry.get('/v1/audit', auditPage);
      expect(rows.at(-1)).toMatchObject({
        action: 'device-owner-set',
        details: { owner: 'bob', from: 'alice', reason: 'sold' },
      });
      await waitFor(() => announced.some(({ owner }) => owner === 'bob'));
    });

    it('is taken away, and the certificates of this site with it', async () => {
      await registry.admit(peer({ deviceId: lamp }));
      await claim(lamp, 'alice');
      expect((await order({})).status).toBe(200);
      expect(await ownerOf(lamp)).toBeUndefined();
      expect(await registry.admit(peer({ deviceId: lamp }))).toBe('certificate-revoked');
    });

    it('is not changed in a version that nobody has looked at, nor for a device that is none of OCF', async () => {
      await claim(lamp, 'alice');
      expect((await order({ owner: 'bob' }, { 'if-match': '"1"' })).status).toBe(412);
      await registry.admit(peer());
      expect(await registry.refusal('POST', '/v1/devices/child01/owner', { owner: 'bob' })).toBe(
        '409 "child01" is no device of OCF (its name is not uuid:UUID), so nobody can own it.',
      );
      expect(await ownerOf(lamp)).toBe('alice');
    });
  });

  describe('with a token at the CoAP gateway', () => {
    const token = () => tokenAdmissionRequest.parse({ ...tokenPeer(), deviceId: lamp });

    it('is admitted from its sign-up on, and until its sign-off', async () => {
      expect(await registry.admit(token())).toBe('token-not-accepted');
      await claim(lamp, 'alice');
      expect(await registry.admit(token())).toBe('admitted');
      await release(lamp, 'alice');
      expect(await registry.admit(token())).toBe('token-not-accepted');
    });

    it('is refused while it is locked, and when its name is denied', async () => {
      await claim(lamp, 'alice');
      await registry.change(lamp, 'lock');
      expect(await registry.admit(token())).toBe('device-locked');
      await registry.change(lamp, 'unlock');
      expect(await registry.admit(token())).toBe('admitted');
      await registry.order('POST', '/v1/denied', { devices: [lamp] });
      expect(await registry.admit(token())).toBe('identity-denied');
    });
  });
});

/** A signer that revokes what it is asked to. @returns what it was asked */
async function signerBeside(registry: RegistryUnderTest): Promise<IdentityRevocation[]> {
  const asked: IdentityRevocation[] = [];
  @Controller()
  class Signer {
    @RpcHandler(revokeIdentities)
    revoke(request: IdentityRevocation) {
      asked.push(request);
      return { revoked: 1 };
    }
  }
  const module = () => ({ module: class Wiring {}, controllers: [Signer] });
  await registry.startBeside({ name: 'pki-signer', needs: { rpc: true }, module });
  return asked;
}
