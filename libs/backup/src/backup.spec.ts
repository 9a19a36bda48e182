import { appendFile, mkdir, open, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { loadSettings, type Settings } from '@sallyport/config';
import { openRedisStore, openSqliteStore, type Store } from '@sallyport/store';
import { spawnRedis, type TemporaryDirectory, temporaryDirectory } from '@sallyport/testkit';
import { Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { pack } from 'tar-stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkBackup, type Key, type Lock, makeBackup, restoreBackup } from './index.js';

const siteId = '0123456789abcdef0123456789abcdef';
const record = { siteId, foundedAt: '2026-01-02T00:00:00.000Z', distrusted: [] };
const now = new Date('2026-06-01T12:00:00Z');

// With a key instead of a passphrase, nothing has to be stretched.
let [lock, key]: [Lock, Key] = [{ recipients: [] }, { identity: '' }];
beforeAll(async () => {
  const identity = await generateX25519Identity();
  [lock, key] = [{ recipients: [await identityToRecipient(identity)] }, { identity }];
});

/** A machine that a site can be on. */
class Machine {
  constructor(
    readonly root: TemporaryDirectory,
    private readonly env: Readonly<Record<string, string>> = {},
  ) {}

  readonly configDir = () => this.root.file('etc');
  readonly settingsIn = async (configDir: string): Promise<Settings> =>
    (await loadSettings({ configDir, env: this.env, cwd: this.root.path })).settings;
  readonly settings = async () => {
    await mkdir(this.configDir(), { recursive: true });
    return this.settingsIn(this.configDir());
  };

  async write(name: string, text: string): Promise<void> {
    await mkdir(dirname(this.root.file(name)), { recursive: true });
    await writeFile(this.root.file(name), text);
  }

  read(name: string): Promise<string> {
    return readFile(this.root.file(name), 'utf8');
  }

  async store(): Promise<Store> {
    return openSqliteStore({ file: this.root.file('etc', 'data', 'store', 'sallyport.db') });
  }

  /** What a site has after its first start. */
  async found(): Promise<void> {
    await this.write('etc/tedge.toml', `[http]\ncert_path = "${this.root.file('etc')}/certs/http.pem"\n`);
    await this.write('etc/certs/http.pem', 'certificate');
    await this.write('etc/mappers/c8y/rules.toml', 'rules');
    await this.write('etc/pki/key-passphrase', 'secret');
    await this.write('etc/site/pki-signer.json', '{}');
    await this.write('etc/journal/pki-signer/host.000001.ndjson', 'line 1\n');
    await this.write('etc/data/pki/keys/root-1.key.pem', 'key');
    await this.write('etc/data/file-transfer/big', 'content');
    await this.write('etc/run/pki-signer.pid', '1');
    const store = await this.store();
    await store.put('pki-signer/site', record);
    await store.put('device-registry/device/one', { state: 'active' });
    await store.close();
  }

  async backup(path: string, withFiles = false) {
    return makeBackup({ settings: await this.settings(), path, lock, withFiles, now, version: '1.2.3' });
  }

  async restore(path: string, more: { readonly keepSettings?: boolean; readonly key?: Key } = {}) {
    const settings = await this.settings();
    const { settingsIn } = this;
    return restoreBackup({ path, key, settings, settingsIn, keepSettings: false, revocationLists: [], now, ...more });
  }
}

describe('a backup', () => {
  let [one, two]: Machine[] = [];
  let path = '';
  beforeEach(async () => {
    [one, two] = [new Machine(temporaryDirectory()), new Machine(temporaryDirectory())];
    path = one.root.file('site.backup');
    await one.found();
  });
  afterEach(async () => {
    for (const machine of [one, two]) await machine?.root.remove();
  });
  const [here, there] = [() => required(one), () => required(two)];

  it('brings settings, state, keys and store to another machine', async () => {
    const report = await here().backup(path);
    expect(report).toMatchObject({ siteId, storeRecords: 2, outside: [] });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await there().restore(path)).manifest).toMatchObject({ siteId, version: '1.2.3', hasFiles: false });
    expect(await there().read('etc/pki/key-passphrase')).toBe('secret');
    expect(await there().read('etc/data/pki/keys/root-1.key.pem')).toBe('key');
    expect(await there().read('etc/mappers/c8y/rules.toml')).toBe('rules');
    const store = await there().store();
    expect((await store.get('device-registry/device/one'))?.value).toEqual({ state: 'active' });
    await store.close();
    expect((await readdir(there().root.file('etc'))).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(await readdir(there().root.file('etc', 'site'))).toEqual(['pki-signer.json']);
  });

  it('has paths in the settings lead to the folders of the other machine', async () => {
    await here().backup(path);
    await there().restore(path);
    expect((await there().settings()).get('http.cert_path')).toBe(there().root.file('etc', 'certs', 'http.pem'));
  });

  it('holds transferred files only when asked, and names files that lie elsewhere', async () => {
    await here().write('ssl/other.pem', 'x');
    await here().write('etc/tedge.toml', `[http]\ncert_path = "${here().root.file('ssl', 'other.pem')}"\n`);
    const { outside } = await here().backup(path, true);
    expect(outside).toEqual([`http.cert_path=${here().root.file('ssl', 'other.pem')}`]);
    await there().restore(path);
    expect(await there().read('etc/data/file-transfer/big')).toBe('content');
  });

  it('moves aside what was there, and lets the journal of the machine go on', async () => {
    await here().backup(path);
    await here().write('etc/pki/key-passphrase', 'newer secret');
    await appendFile(here().root.file('etc/journal/pki-signer/host.000001.ndjson'), 'line 2\n');
    const { aside } = await here().restore(path);
    expect(await here().read('etc/pki/key-passphrase')).toBe('secret');
    expect(aside).toContain(here().root.file('etc', 'pki.before-20260601T120000Z'));
    expect(await here().read('etc/pki.before-20260601T120000Z/key-passphrase')).toBe('newer secret');
    expect(await here().read('etc/journal/pki-signer/host.000001.ndjson')).toBe('line 1\nline 2\n');
  });

  it('leaves the keys of CAs that are newer, and none of another site', async () => {
    await here().backup(path);
    await here().write('etc/data/pki/keys/device-2.key.pem', 'newer key');
    await here().restore(path);
    expect(await here().read('etc/data/pki/keys/device-2.key.pem')).toBe('newer key');
    await there().write('etc/pki/key-passphrase', 'of another site');
    await there().write('etc/data/pki/keys/device-2.key.pem', 'key of another site');
    await there().restore(path);
    expect(await readdir(there().root.file('etc', 'data', 'pki', 'keys'))).toEqual(['root-1.key.pem']);
  });

  it('keeps the settings of the machine when asked', async () => {
    await here().backup(path);
    await there().write('etc/tedge.toml', '[http]\nbind.port = 8123\n');
    await there().restore(path, { keepSettings: true });
    expect((await there().settings()).get('http.bind.port')).toBe(8123);
    expect(await there().read('etc/pki/key-passphrase')).toBe('secret');
  });

  it.each([
    ['damaged in its middle', async (file: string, size: number) => void (await overwrite(file, Math.floor(size / 2)))],
    ['cut short', async (file: string, size: number) => truncate(file, size - 100)],
    ['cut short within a long file', async (file: string) => truncate(file, 200_000)],
    ['empty', async (file: string) => truncate(file, 0)],
    ['something else', async (file: string) => writeFile(file, 'hello')],
  ])('changes nothing when it is %s', async (_what, spoil) => {
    await here().write('etc/pki/long', 'long '.repeat(100_000));
    await here().backup(path);
    await spoil(path, (await stat(path)).size);
    await expect(there().restore(path)).rejects.toMatchObject({ type: 'invalid-request' });
    expect(await readdir(there().root.file('etc'))).toEqual([]);
  });

  it('names the file that cannot be read', async () => {
    await expect(checkBackup('/', { passphrase: 'correct horse' })).rejects.toMatchObject({
      code: 'EISDIR',
      path: '/',
    });
  });

  it('changes nothing when the key is wrong', async () => {
    await here().backup(path);
    const wrong = { identity: await generateX25519Identity() };
    await expect(there().restore(path, { key: wrong })).rejects.toMatchObject({ type: 'forbidden' });
    expect(await readdir(there().root.file('etc'))).toEqual([]);
  });

  it('opens with its passphrase, and with no other', async () => {
    const settings = await here().settings();
    const options = { settings, path, withFiles: false, now, version: '1.2.3' };
    await makeBackup({ ...options, lock: { passphrase: 'correct horse' } });
    expect((await readFile(path)).toString('latin1').split('\n').slice(0, 2)).toEqual([
      'age-encryption.org/v1',
      expect.stringMatching(/^-> scrypt \S+ 17$/),
    ]);
    expect(await checkBackup(path, { passphrase: 'correct horse' })).toMatchObject({ siteId });
    await expect(checkBackup(path, { passphrase: 'battery staple' })).rejects.toMatchObject({ type: 'forbidden' });
  });

  it('leaves nothing where there is no room', async () => {
    await expect(here().backup('/dev/full/site.backup')).rejects.toMatchObject({ type: 'invalid-request' });
    await expect(here().backup(here().root.file('nowhere', 'site.backup'))).rejects.toThrow('ENOENT');
  });

  it('is not made where there is no site', async () => {
    await expect(there().backup(there().root.file('site.backup'))).rejects.toMatchObject({ type: 'site-incomplete' });
  });
});

/** An archive that somebody has made who knows only the public key of the backups. */
async function forged(path: string, entries: readonly { readonly name: string; readonly mode?: number }[]) {
  const archive = pack();
  const folders = { config: '/a', state: '/b', data: '/c' };
  const first = { format: 'sallyport-backup', layout: 1, version: '1.2.3', siteId, createdAt: now.toISOString() };
  archive.entry(
    { name: 'manifest.json' },
    JSON.stringify({ ...first, host: 'h', folders, store: 'sqlite', hasFiles: false, outside: [] }),
  );
  for (const entry of entries) archive.entry(entry, 'forged');
  archive.entry({ name: 'end.json' }, JSON.stringify({ files: entries.length, storeRecords: 0 }));
  archive.finalize();
  const encrypter = new Encrypter();
  for (const recipient of 'recipients' in lock ? lock.recipients : []) encrypter.addRecipient(recipient);
  await writeFile(path, await encrypter.encrypt(await buffer(archive)));
}

describe('a forged backup', () => {
  let machine: Machine;
  beforeEach(() => {
    machine = new Machine(temporaryDirectory());
  });
  afterEach(() => machine.root.remove());

  it.each([
    'config/../../outside',
    '/etc/outside',
    'data/store/sallyport.db',
    'state/site/restoring',
    'config/.restore-config/x',
  ])('with the entry %s changes nothing', async (name) => {
    await forged(machine.root.file('forged'), [{ name }]);
    await expect(machine.restore(machine.root.file('forged'))).rejects.toMatchObject({ type: 'invalid-request' });
    expect(await readdir(machine.root.file('etc'))).toEqual([]);
  });

  it('gives no file the rights of its owner', async () => {
    await forged(machine.root.file('forged'), [{ name: 'config/tool', mode: 0o6755 }]);
    await machine.restore(machine.root.file('forged'));
    expect((await stat(machine.root.file('etc', 'tool'))).mode & 0o7777).toBe(0o755);
  });

  it('takes no folder of the state or the data from the settings', async () => {
    await machine.write('etc/journal/pki-signer/host.000001.ndjson', 'line');
    await forged(machine.root.file('forged'), [{ name: 'config/journal/x' }, { name: 'config/data/x' }]);
    await machine.restore(machine.root.file('forged'));
    expect(await readdir(machine.root.file('etc', 'journal'))).toEqual(['pki-signer']);
    expect(await readdir(machine.root.file('etc', 'data'))).toEqual(['store']);
  });

  it('leaves no opened keys behind when it cannot be restored', async () => {
    const name = `config/${'n'.repeat(300)}`;
    await forged(machine.root.file('forged'), [{ name: 'data/pki/key' }, { name }]);
    await expect(machine.restore(machine.root.file('forged'))).rejects.toThrow('ENAMETOOLONG');
    expect(await readdir(machine.root.file('etc'), { recursive: true })).toEqual(['data']);
  });
});

describe('a backup of a site in SQLite', () => {
  let redis: Awaited<ReturnType<typeof spawnRedis>>;
  beforeAll(async () => {
    redis = await spawnRedis();
  });
  afterAll(() => redis.stop());

  it('can be restored into Redis, and back', async () => {
    const [one, two] = [
      new Machine(temporaryDirectory()),
      new Machine(temporaryDirectory(), { SALLYPORT_STORE_URL: redis.url, TEDGE_STORE_URL: redis.url }),
    ];
    await one.found();
    const path = one.root.file('site.backup');
    await one.backup(path);
    await two.restore(path);
    const store = await openRedisStore({ url: redis.url });
    expect((await store.get('device-registry/device/one'))?.value).toEqual({ state: 'active' });
    await store.close();
    await two.backup(join(two.root.path, 'again.backup'));
    const three = new Machine(temporaryDirectory());
    await three.restore(two.root.file('again.backup'));
    const embedded = await three.store();
    expect((await embedded.get('pki-signer/site'))?.value).toEqual(record);
    await embedded.close();
    for (const machine of [one, two, three]) await machine.root.remove();
  });
});

function required(machine: Machine | undefined): Machine {
  if (machine === undefined) throw new Error('no machine');
  return machine;
}

async function overwrite(file: string, position: number): Promise<void> {
  const handle = await open(file, 'r+');
  await handle.write(Buffer.alloc(16, 0x55), 0, 16, position);
  await handle.close();
}
