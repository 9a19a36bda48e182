import { rm } from 'node:fs/promises';
import { Controller, Module } from '@nestjs/common';
import { readSiteMarker, siteMarkerPath, writeSiteMarker } from '@sallyport/identity';
import { RpcHandler } from '@sallyport/mqtt';
import { authorityId, introduceRegistry, type SiteMarker, siteId } from '@sallyport/protocol';
import type { ServiceDefinition } from '@sallyport/runtime';
import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf, peer, RegistryUnderTest } from '../registry.fixture.js';

const site: SiteMarker = {
  siteId: siteId.parse('ab'.repeat(16)),
  foundedAt: '2026-06-01T12:00:00.000Z',
  distrusted: [],
  state: 'founded',
};

/** Answers as a signer that has known this registry as a part of the site, or not. */
function signerThat(wasKnown: boolean, distrusted: SiteMarker['distrusted'] = []): ServiceDefinition {
  @Controller()
  class Signer {
    @RpcHandler(introduceRegistry)
    introduce() {
      const { siteId, foundedAt } = site;
      return { site: { siteId, foundedAt, distrusted }, wasKnown };
    }
  }

  @Module({ controllers: [Signer] })
  class SignerModule {}

  return { name: 'pki-signer', needs: { rpc: true }, module: () => ({ module: SignerModule }) };
}

describe('a registry and its site', () => {
  let registry: RegistryUnderTest;
  beforeEach(async () => {
    registry = await RegistryUnderTest.startEmpty();
  });
  afterEach(() => registry.stop());

  const signersMarker = () => siteMarkerPath(registry.configDirectory, 'pki-signer');
  const ownMarker = () => siteMarkerPath(registry.configDirectory, 'device-registry');
  const join = async () => {
    await registry.startBeside(signerThat(false));
    await waitFor(async () => (await readSiteMarker(ownMarker())) !== undefined);
  };

  const lossToBeKnown = () =>
    waitFor(() => registry.logged.some((line) => line.includes('has lost the devices of site')), {
      deadlineMs: 20_000,
    });

  it('takes note of the site soon after the signer has founded it', async () => {
    await join();
    expect((await readSiteMarker(ownMarker()))?.siteId).toBe(site.siteId);
    await registry.restart();
  });

  it('does not start when its part of the store is lost, and leaves the store empty', async () => {
    await join();
    await registry.stopService();
    await registry.loseStore();
    const problem = await registry.startService().catch((error: unknown) => error);
    expect(problem).toMatchObject({ type: 'site-incomplete' });
    expect(String(problem)).toContain(`the marker of site ${site.siteId}`);
    expect(String(problem)).toContain('revoked ones would come back');
    await registry.stopService();
    await expect(registry.startService()).rejects.toMatchObject({ type: 'site-incomplete' });
  });

  it('learns the site from a signer on another machine', async () => {
    await registry.startBeside(signerThat(false));
    await waitFor(async () => (await readSiteMarker(ownMarker()))?.siteId === site.siteId, { deadlineMs: 20_000 });
    expect(await registry.admit(peer())).toBe('admitted');
  });

  it('that a signer on another machine remembers and that knows nothing lets no stranger in', async () => {
    await registry.startBeside(signerThat(true));
    await lossToBeKnown();
    await expect(registry.admit(peer())).rejects.toThrow('Restore its store from the backup');
  });

  it('lets no stranger in, and gives none a certificate, before the signer has said that it lost no devices', async () => {
    await expect(registry.admit(peer())).rejects.toThrow('Start the signer');
    await expect(registry.mayEnrol({ deviceId: 'child02', kind: 'device', reinstate: false })).rejects.toThrow(
      'Start the signer',
    );
    await registry.startBeside(signerThat(false));
    await waitFor(async () => (await registry.admit(peer()).catch(() => undefined)) === 'admitted', {
      deadlineMs: 20_000,
    });
  });

  it('that lost its devices and its marker does not believe the marker of the signer alone', async () => {
    await registry.stopService();
    await writeSiteMarker(signersMarker(), site);
    await registry.startService();
    await expect(registry.admit(peer())).rejects.toThrow('Start the signer');
    await registry.startBeside(signerThat(true));
    await lossToBeKnown();
    await expect(registry.admit(peer())).rejects.toThrow('Restore its store from the backup');
  });

  it('that lost its devices does not take for a history what it wrote since', async () => {
    await registry.refused({ reason: 'no-certificate', entrance: 'agent', remoteAddress: '192.0.2.7' });
    await registry.restart();
    await registry.startBeside(signerThat(true));
    await lossToBeKnown();
    await expect(registry.admit(peer())).rejects.toThrow('Restore its store from the backup');
  });

  it('does not start after its store was emptied while it ran, though something was written since', async () => {
    await join();
    const { entries } = await registry.store.list('', { limit: 1000 });
    for (const { key } of entries) await registry.store.delete(key);
    await registry.refused({ reason: 'no-certificate', entrance: 'agent', remoteAddress: '192.0.2.7' });
    await registry.stopService();
    await expect(registry.startService()).rejects.toMatchObject({ type: 'site-incomplete' });
  });

  it('does not start on the store of another site', async () => {
    await join();
    await registry.stopService();
    await writeSiteMarker(signersMarker(), { ...site, siteId: siteId.parse('cd'.repeat(16)) });
    await expect(registry.startService()).rejects.toMatchObject({ type: 'site-incomplete' });
  });

  it('lets no stranger in, and gives none a certificate, when the store is emptied while it runs', async () => {
    await join();
    expect(await registry.admit(peer())).toBe('admitted');
    const { entries } = await registry.store.list('', { limit: 1000 });
    for (const { key } of entries) await registry.store.delete(key);
    await expect(registry.admit(peer())).rejects.toThrow('has lost site');
    await expect(registry.mayEnrol({ deviceId: 'child02', kind: 'device', reinstate: false })).rejects.toThrow(
      'Restore it from its backup',
    );
  });

  it('joins by what another replica has written into the store they share', async () => {
    const { siteId, foundedAt, distrusted } = site;
    await registry.store.put('site', { siteId, foundedAt, distrusted });
    await registry.startBeside(signerThat(true));
    await waitFor(async () => (await readSiteMarker(ownMarker())) !== undefined);
    expect(await registry.admit(peer())).toBe('admitted');
  });

  it('gets a lost marker back', async () => {
    await join();
    await rm(ownMarker());
    await registry.restart();
    expect((await readSiteMarker(ownMarker()))?.siteId).toBe(site.siteId);
  });

  it('refuses what a CA of the site before this one issued, also to a name it never met', async () => {
    const request = peer();
    await registry.stopService();
    const distrusted = [request.issuerFingerprint];
    await writeSiteMarker(signersMarker(), { ...site, distrusted });
    await registry.startService();
    expect(await registry.admit(request)).toBe('issuer-unknown');
    await registry.startBeside(signerThat(false, distrusted));
    expect(await registry.admit(request)).toBe('issuer-unknown');
    expect(await registry.admit(peer({ issuerFingerprint: fingerprintOf('new CA') }))).toBe('admitted');
  });

  it.each([
    ['issued the leaf', [`ca:${fingerprintOf('old CA')}`]],
    ['stands above the CA that did', [`ca:${fingerprintOf('intermediate')}`, `ca:${fingerprintOf('old CA')}`]],
  ])(
    'refuses a CA of the site before this one under every certificate of its key, when it %s',
    async (_, authorities) => {
      await registry.stopService();
      const distrusted = [authorityId.parse(`ca:${fingerprintOf('old CA')}`)];
      await writeSiteMarker(signersMarker(), { ...site, distrusted });
      await registry.startService();
      const issuerFingerprint = fingerprintOf('certificate issued again');
      expect(await registry.admit(peer({ issuerFingerprint, authorities, issuedHere: false }))).toBe('issuer-unknown');
    },
  );
});
