import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { siteMarkerPath, writeSiteMarker } from '@sallyport/identity';
import { type SiteMarker, siteId, siteMarker } from '@sallyport/protocol';
import { mustRun, type TemporaryDirectory, temporaryDirectory } from '@sallyport/testkit';
import { authorityIdOf } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { fakeSite } from '../fixtures/fake-site.fixture.js';
import { runSallyport } from '../fixtures/run-sallyport.fixture.js';
import { pemOf, TestAuthority } from '../fixtures/test-authority.fixture.js';

const marker: SiteMarker = {
  siteId: siteId.parse('ab'.repeat(16)),
  foundedAt: '2026-06-01T12:00:00.000Z',
  distrusted: [],
  state: 'founded',
};

/** The files of a site whose services are stopped; `store` is the id the store knows. */
async function stoppedSite({ store }: { readonly store: string | undefined }) {
  const directory = temporaryDirectory('sp-');
  const [config, data] = [directory.file('c'), directory.file('d')];
  for (const folder of [
    `${config}/pki`,
    `${config}/service-certs/agent`,
    `${data}/pki/keys`,
    `${data}/store`,
    `${data}/mqtt-broker`,
  ])
    await mkdir(folder, { recursive: true });
  await writeFile(`${config}/tedge.toml`, `[data]\npath = "${data}"\n[run]\npath = "${directory.file('r')}"\n`);
  await writeFile(`${config}/pki/key-passphrase`, 'secret');
  await writeFile(`${data}/pki/keys/root-1.key.pem`, 'key');
  for (const service of ['pki-signer', 'device-registry'] as const)
    await writeSiteMarker(siteMarkerPath(config, service), marker);
  writeStore(`${data}/store/sallyport.db`, store);
  const run = (...words: string[]) =>
    runSallyport(['--config-dir', config, ...words], {
      cwd: directory.path,
      now: () => new Date('2026-07-01T08:00:00Z'),
    });
  return { config, data, run, [Symbol.asyncDispose]: () => removed(directory) };
}

const removed = (directory: TemporaryDirectory) => directory.remove();

function writeStore(file: string, id: string | undefined): void {
  const database = new DatabaseSync(file);
  database.exec('CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL)');
  const record = JSON.stringify({ siteId: id, foundedAt: marker.foundedAt });
  if (id !== undefined) database.prepare('INSERT INTO entries VALUES (?, ?)').run('pki-signer/site', record);
  database.close();
}

describe('site show', () => {
  it('tells the site, since when it is there, and where its parts are, without a running service', async () => {
    await using site = await stoppedSite({ store: marker.siteId });
    const { exitCode, stdout } = await site.run('site', 'show');
    expect(exitCode).toBe(0);
    expect(stdout.split('\n')).toEqual([
      `Site:           ${marker.siteId}`,
      'Founded:        2026-06-01T12:00:00.000Z',
      'Distrusted CAs: 0',
      `Markers:        ${site.config}/site`,
      `Secrets:        ${site.config}/pki`,
      `CA keys:        ${site.data}/pki/keys`,
      `Store:          ${site.data}/store`,
      `MQTT broker:    ${site.data}/mqtt-broker`,
      '',
    ]);
  });

  it('tells what is lost', async () => {
    await using site = await stoppedSite({ store: undefined });
    expect((await site.run('site', 'show')).stdout).toContain(
      'Fault: The store does not know this site: it was emptied, or is another one.\n',
    );
  });

  it('names the broker that keeps sessions and messages in place of the embedded one', async () => {
    await using site = await stoppedSite({ store: marker.siteId });
    await site.run('config', 'set', 'mqtt.broker.url', 'unix:/run/mosquitto-sallyport/broker.sock');
    expect((await site.run('site', 'show')).stdout).toContain(
      'MQTT broker:    unix:/run/mosquitto-sallyport/broker.sock\n',
    );
  });

  it('says so where there is no site', async () => {
    await using directory = temporaryDirectory('sp-');
    const { exitCode, stderr } = await runSallyport(['--config-dir', directory.path, 'site', 'show'], {
      cwd: directory.path,
    });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('There is no site here yet.')]);
  });
});

describe('doctor on a site that is partly lost', () => {
  it('names what is lost, and the way out', async () => {
    await using site = await stoppedSite({ store: 'cd'.repeat(16) });
    const { exitCode, stdout } = await site.run('doctor');
    expect(exitCode).toBe(1);
    expect(stdout).toContain(
      `error    services: No service can start: The store is of site ${'cd'.repeat(16)}, the configuration directory of site ${marker.siteId}.`,
    );
    expect(stdout).toContain('mend it: restore the backup, or without one: sallyport --config-dir');
  });
});

describe('site refound', () => {
  it('changes nothing without --yes, and says what it would do', async () => {
    await using site = await stoppedSite({ store: undefined });
    const { exitCode, stderr } = await site.run('site', 'refound');
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`Founding site ${marker.siteId} again makes a new CA`);
    expect((await readdir(site.config)).toSorted()).toEqual(['pki', 'service-certs', 'site', 'tedge.toml']);
    expect((await readdir(site.data)).toSorted()).toEqual(['mqtt-broker', 'pki', 'store']);
  });

  it('moves aside what the old site had, and leaves a founding to be done that distrusts its CAs', async () => {
    await using site = await stoppedSite({ store: undefined });
    const authority = new TestAuthority();
    await writeFile(`${site.config}/service-certs/agent/client-ca.pem`, pemOf(authority.root));
    const { exitCode, stdout } = await site.run('site', 'refound', '--yes');
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`takes the place of site ${marker.siteId}.`);
    const aside = '.before-20260701T080000Z';
    expect((await readdir(site.config)).toSorted()).toEqual([
      `pki${aside}`,
      'service-certs',
      'site',
      `site${aside}`,
      'tedge.toml',
    ]);
    expect((await readdir(site.data)).toSorted()).toEqual([`mqtt-broker${aside}`, 'pki', `store${aside}`]);
    expect(await readdir(`${site.data}/pki`)).toEqual([`keys${aside}`]);
    expect(await readdir(`${site.config}/site`)).toEqual(['pki-signer.json']);
    const founding = siteMarker.parse(JSON.parse(await readFile(`${site.config}/site/pki-signer.json`, 'utf8')));
    expect(founding.siteId).not.toBe(marker.siteId);
    expect(founding).toMatchObject({
      state: 'founding',
      replaces: marker.siteId,
      distrusted: [authorityIdOf(authority.root)],
    });
  });

  it('says that another broker still has the sessions and messages of the old site', async () => {
    await using site = await stoppedSite({ store: undefined });
    await site.run('config', 'set', 'mqtt.broker.url', 'unix:/run/mosquitto-sallyport/broker.sock');
    const { stdout } = await site.run('site', 'refound', '--yes');
    expect(stdout).toContain('unix:/run/mosquitto-sallyport/broker.sock still has the sessions and messages');
  });

  it('distrusts the CAs of a store whose keys are lost, though no service was told to trust them', async () => {
    await using site = await stoppedSite({ store: marker.siteId });
    const { root } = new TestAuthority();
    const database = new DatabaseSync(`${site.data}/store/sallyport.db`);
    const record = JSON.stringify({ certificate: root.der.toString('base64') });
    database.prepare('INSERT INTO entries VALUES (?, ?)').run('pki-signer/authority/root-1', record);
    database.close();
    await site.run('site', 'refound', '--yes');
    const founding = siteMarker.parse(JSON.parse(await readFile(`${site.config}/site/pki-signer.json`, 'utf8')));
    expect(founding.distrusted).toEqual([authorityIdOf(root)]);
  });

  it.each(['client-ca.pem', 'client-ca/site.pem'])('distrusts the CAs a service keeps in %s', async (name) => {
    await using site = await stoppedSite({ store: undefined });
    const authority = new TestAuthority();
    await mkdir(`${site.config}/service-certs/agent/client-ca`);
    await writeFile(`${site.config}/service-certs/agent/${name}`, pemOf(authority.root));
    await site.run('site', 'refound', '--yes');
    const founding = siteMarker.parse(JSON.parse(await readFile(`${site.config}/site/pki-signer.json`, 'utf8')));
    expect(founding.distrusted).toEqual([authorityIdOf(authority.root)]);
  });

  it('does nothing while a service runs', async () => {
    await using site = await fakeSite();
    const { exitCode, stderr } = await site.run(['site', 'refound', '--yes']);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('These services still run: ')]);
  });
});

describe('a site whose files get another place (state.path)', () => {
  it('is refused until they are moved as the message says, and then is the same site there', async () => {
    await using site = await stoppedSite({ store: marker.siteId });
    const state = `${site.config}-state`;
    expect((await site.run('config', 'set', 'state.path', state)).exitCode).toBe(0);

    const refused = await site.run('site', 'show');
    const [, move = ''] = /move them: (.*)/.exec(refused.stderr) ?? [];
    expect(refused.exitCode).toBe(1);
    expect(move).toContain(`${site.config}/site`);
    await mustRun('sh', ['-c', move]);

    const { stdout } = await site.run('site', 'show');
    expect(stdout).toContain(`Site:           ${marker.siteId}\n`);
    expect(stdout).toContain(`Markers:        ${state}/site\nSecrets:        ${state}/pki\n`);
    expect(stdout).not.toContain('Fault');
    expect((await site.run('site', 'refound', '--yes')).exitCode).toBe(0);
    expect((await readdir(state)).toSorted()).toEqual([
      'pki.before-20260701T080000Z',
      'service-certs',
      'site',
      'site.before-20260701T080000Z',
    ]);
    expect((await readdir(site.config)).toSorted()).toEqual(['sallyport.toml', 'tedge.toml']);
  });

  it('goes back when the setting is unset', async () => {
    await using site = await stoppedSite({ store: marker.siteId });
    await site.run('config', 'set', 'state.path', `${site.config}-state`);
    expect((await site.run('site', 'show')).exitCode).toBe(1);
    expect((await site.run('config', 'unset', 'state.path')).exitCode).toBe(0);
    expect((await site.run('site', 'show')).stdout).toContain(`Site:           ${marker.siteId}\n`);
  });
});
