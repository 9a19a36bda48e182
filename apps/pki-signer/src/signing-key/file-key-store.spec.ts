import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Problem } from '@sallyport/protocol';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { FileKeyStore } from './file-key-store.js';

function place() {
  const directory = temporaryDirectory();
  const options = { directory: directory.file('data', 'keys'), passphraseFile: directory.file('config', 'passphrase') };
  return { ...options, options, [Symbol.asyncDispose]: directory[Symbol.asyncDispose] };
}

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

describe('CA keys on disk', () => {
  it('are encrypted PKCS#8, readable by the owner alone, in a folder of the owner alone', async () => {
    await using files = place();
    const keys = await FileKeyStore.at(files.options);
    await keys.openOrCreate('root-1', 'P-384');
    const path = join(files.directory, 'root-1.key.pem');
    const pem = await readFile(path, 'utf8');
    expect(pem).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
    expect(() => createPrivateKey(pem)).toThrow();
    expect([await modeOf(path), await modeOf(files.directory), await modeOf(files.passphraseFile)]).toEqual([
      0o600, 0o700, 0o600,
    ]);
  });

  it('are the same after a restart', async () => {
    await using files = place();
    const made = await (await FileKeyStore.at(files.options)).openOrCreate('device-1', 'P-256');
    const opened = await (await FileKeyStore.at(files.options)).openOrCreate('device-1', 'P-256');
    expect(opened.publicKey.equals(made.publicKey)).toBe(true);
    expect(opened.privateKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
  });

  it('are made once when several starts race', async () => {
    await using files = place();
    const stores = await Promise.all([1, 2, 3, 4].map(() => FileKeyStore.at(files.options)));
    const keys = await Promise.all(stores.map((store) => store.openOrCreate('device-1', 'P-256')));
    expect(keys.every(({ publicKey }) => keys[0]?.publicKey.equals(publicKey))).toBe(true);
    expect(await readdir(files.directory)).toEqual(['device-1.key.pem']);
  });

  it('do not show when they are printed', async () => {
    await using files = place();
    const key = await (await FileKeyStore.at(files.options)).openOrCreate('device-1', 'P-256');
    expect(inspect(key, { depth: 9 })).not.toMatch(/BEGIN|[0-9a-f]{32}/);
    expect(JSON.stringify(key)).toBe('{"id":"device-1","publicKey":{},"privateKey":{}}');
  });

  it('cannot be opened when they are damaged, and the answer names the CA and no path', async () => {
    await using files = place();
    await (await FileKeyStore.at(files.options)).openOrCreate('device-1', 'P-256');
    const path = join(files.directory, 'device-1.key.pem');
    await chmod(path, 0o600);
    await writeFile(path, (await readFile(path, 'utf8')).replace(/[A-Z]{4}/, 'AAAA'));
    const problem = await (await FileKeyStore.at(files.options)).open('device-1').catch((error: unknown) => error);
    expect(problem).toMatchObject({ type: 'signing-key-unavailable' });
    expect(String(problem)).toContain('"device-1"');
    expect(String(problem)).not.toContain(files.directory);
  });

  it('are not hidden behind a new passphrase when the old one is lost', async () => {
    await using files = place();
    await (await FileKeyStore.at(files.options)).openOrCreate('device-1', 'P-256');
    await rm(files.passphraseFile);
    await expect(FileKeyStore.at(files.options)).rejects.toThrow(
      'The CA keys are there, but the file with their passphrase is not. Restore it from the backup of the state directory (state.path), or correct state.path.',
    );
    await expect(stat(files.passphraseFile)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it.each(['', 'abc', 'ab'.repeat(31), 'ab'.repeat(33)])(
    'are not opened with a damaged passphrase (%j)',
    async (content) => {
      await using files = place();
      await FileKeyStore.at(files.options);
      await writeFile(files.passphraseFile, content);
      await expect(FileKeyStore.at(files.options)).rejects.toMatchObject({
        type: 'config-invalid',
        message: `The secret in ${files.passphraseFile} is damaged: it must be 32 bytes in hexadecimal. Restore the file from a backup.`,
      });
    },
  );

  it('keep an imported key from being replaced by another one', async () => {
    await using files = place();
    const keys = await FileKeyStore.at(files.options);
    const make = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const first = make();
    await keys.import('imported-1', first);
    await keys.import('imported-1', first);
    await expect(keys.import('imported-1', make())).rejects.toThrow(Problem);
    expect((await keys.open('imported-1')).privateKey.equals(first)).toBe(true);
  });
});
