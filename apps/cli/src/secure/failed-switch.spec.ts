import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DeviceState, Problem } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { type FakeSite, fakeSite } from '../fixtures/fake-site.fixture.js';
import { failNextReload, levelsOf } from '../fixtures/level-switch.fixture.js';

/** Turns the local client away at the file transfer service, as the registry has recorded it so long ago. */
function refuseLocalClient(site: FakeSite, { state, agoMs }: { state: DeviceState; agoMs: number }): void {
  const at = new Date(Date.now() - agoMs).toISOString();
  site.entrances.http.refused.add('local-client');
  site.admin['device-registry'].routes.set('GET /v1/devices/:id', () => ({
    deviceId: 'local-client',
    kind: 'service',
    state,
    authority: 'site',
    registeredAt: at,
    stateChangedAt: at,
    certificates: [],
    states: [],
    refusals: [{ at, reason: 'device-locked', entrance: 'http', remoteAddress: '127.0.0.1' }],
  }));
}

describe('a switch that fails', () => {
  const failures: readonly (readonly [what: string, breakIt: (site: FakeSite) => void, step: string])[] = [
    ['a service cannot reload', (site) => failNextReload(site, 'device-registry'), 'reload device-registry'],
    [
      'a certificate cannot be issued',
      ({ admin }) =>
        admin['mqtt-broker'].routes.set('POST /v1/entrance/enrol', () => {
          throw new Problem('unavailable', 'The signer is busy. Try again later.');
        }),
      'certificate of mqtt-broker',
    ],
  ];

  it.each(failures)('because %s says which step, and takes everything back', async (_, breakIt, step) => {
    await using site = await fakeSite();
    const before = await site.run(['config', 'list', '--all']);
    breakIt(site);

    const { exitCode, stdout, stderr } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stderr).toMatch(new RegExp(`^Error: "${step}" failed: `));
    expect(stdout).toContain(`FAILED ${step}`);
    expect(await site.run(['config', 'list', '--all'])).toEqual(before);
    expect(levelsOf(site)).toEqual(['plain', 'closed', 'plain']);
  });

  it('goes back to the level it came from, not to plain', async () => {
    await using site = await fakeSite();
    await site.run(['secure', 'server']);
    const before = await site.run(['config', 'list', '--all']);
    failNextReload(site, 'mqtt-broker');

    const { exitCode, stdout } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stdout).toContain('undo   reload agent: level server again');
    expect(stdout).toContain('undo   reload device-registry: closed again');
    expect(await site.run(['config', 'list', '--all'])).toEqual(before);
    expect(levelsOf(site)).toEqual(['server', 'closed', 'server']);
  });

  it('because a client is not let in gives the reason the registry recorded, and the command that lifts it', async () => {
    await using site = await fakeSite();
    refuseLocalClient(site, { state: 'locked', agoMs: 0 });

    const { exitCode, stderr } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      'Error: "prove agent" failed: local-client was refused (device-locked). The device is locked.\nsallyport device unlock local-client\n',
    );
    expect(levelsOf(site)).toEqual(['plain', 'closed', 'plain']);
  });

  it('does not blame a refusal of hours ago', async () => {
    await using site = await fakeSite();
    refuseLocalClient(site, { state: 'active', agoMs: 7_200_000 });

    const { exitCode, stderr } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('"prove agent" failed: a client that connected to');
    expect(stderr).not.toContain('locked');
  });

  it('because an entrance stays closed does not pass for a success', async () => {
    await using site = await fakeSite();
    const { entrances, admin } = site;
    admin['device-registry'].routes.set('POST /v1/entrance/reload', () => ({
      entrances: [entrances.registry.describe()],
    }));

    const { exitCode, stderr } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('"reload device-registry" failed: The listener of device-registry is closed');
    expect(levelsOf(site)).toEqual(['plain', 'closed', 'plain']);
  });

  it('takes every other listener back when one cannot be taken back', async () => {
    await using site = await fakeSite();
    const { entrances, admin } = site;
    failNextReload(site, 'mqtt-broker');
    admin.agent.routes.set('POST /v1/entrance/reload', async () => {
      if (entrances.http.describe().level === 'mutual') throw new Problem('internal', 'The disk is gone.');
      await entrances.http.apply();
      return { entrances: [entrances.http.describe()] };
    });

    const { exitCode, stdout, stderr } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('Taking it back failed too: The disk is gone.');
    expect(stdout).toContain('FAILED take back agent: The disk is gone.');
    expect(levelsOf(site)).toEqual(['mutual', 'closed', 'plain']);
  });

  it('says so when taking it back fails too', async () => {
    await using site = await fakeSite();
    site.admin.agent.routes.set('POST /v1/entrance/reload', () => {
      throw new Problem('internal', 'The disk is gone.');
    });

    const { exitCode, stderr } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('Taking it back failed too: The disk is gone.');
  });

  it.each(['certificate of local-client', 'write the settings', 'prove agent', 'prove device-registry'])(
    'because of Ctrl-C after "%s" is taken back',
    async (step) => {
      await using site = await fakeSite();
      const before = await site.run(['config', 'list', '--all']);
      const abort = new AbortController();
      const onOutput = (text: string) => {
        if (text.includes(step)) abort.abort();
      };

      const { exitCode, stderr } = await site.run(['secure', 'mutual'], { signal: abort.signal, onOutput });

      expect({ exitCode, stderr }).toEqual({
        exitCode: 130,
        stderr: 'Error: Interrupted.\nRun the command again to go on.\n',
      });
      expect(await site.run(['config', 'list', '--all'])).toEqual(before);
      expect(levelsOf(site)).toEqual(['plain', 'closed', 'plain']);
    },
  );
});

describe('a switch that was killed after it wrote the settings', () => {
  async function killedSite() {
    const site = await fakeSite();
    await site.run(['secure', 'mutual']);
    const files = ['tedge.toml', 'sallyport.toml'].map((name) => join(site.directory, name));
    const settings = await Promise.all(files.map((file) => readFile(file, 'utf8')));
    await site.run(['secure', 'plain']);
    await Promise.all(files.map((file, index) => writeFile(file, settings[index] ?? '')));
    return site;
  }

  it('is finished by running it again', async () => {
    await using site = await killedSite();

    const { exitCode, stdout } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(0);
    expect(stdout).toContain('write the settings: nothing to change');
    expect(levelsOf(site)).toEqual(['mutual', 'mutual', 'mutual']);
  });

  it('is undone by the level it came from', async () => {
    await using site = await killedSite();

    expect((await site.run(['secure', 'plain'])).exitCode).toBe(0);
    expect(levelsOf(site)).toEqual(['plain', 'closed', 'plain']);
    expect(await site.settings()).not.toContain('cert_path');
  });
});
