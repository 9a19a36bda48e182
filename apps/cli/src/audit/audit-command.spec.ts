import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type FakeSite, fakeSite } from '../fixtures/fake-site.fixture.js';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const at = '2026-05-01T12:00:00.000Z';

/** JSON with sorted names (RFC 8785), for objects without objects in them. */
function sorted(value: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(value, [...Object.keys(value)].sort());
}

interface Row {
  readonly sequence: number;
  readonly subject: string;
  readonly hash: string;
}

/** Rows as a service writes them, each sealed with the one before. */
function rowsOf(...subjects: string[]) {
  let previousHash = '0'.repeat(64);
  return subjects.map((subject, index) => {
    const told = { sequence: index + 1, at, actor: 'admin:alice', action: 'device-locked', subject };
    const row = { ...told, outcome: 'succeeded', details: {}, previousHash };
    previousHash = createHash('sha256').update(sorted(row)).digest('hex');
    return { ...row, hash: previousHash };
  });
}

function keyIdOf(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ format: 'der', type: 'spki' }))
    .digest('hex');
}

function checkpointOf({ sequence, hash }: Row) {
  const told = { service: 'device-registry', sequence, hash, at, keyId: keyIdOf(publicKey) };
  const signature = sign(null, Buffer.from(`sallyport audit checkpoint 1\n${sorted(told)}`), privateKey);
  const der = publicKey.export({ format: 'der', type: 'spki' });
  return { ...told, publicKey: der.toString('base64'), signature: signature.toString('base64') };
}

/** A registry with these rows, and checkpoints of some. The signer has none. */
function serve(site: FakeSite, rows: readonly Row[], checkpoints: readonly object[]): void {
  const { routes } = site.admin['device-registry'];
  routes.set('GET /v1/audit', ({ url }) => ({
    rows: rows.filter(({ sequence }) => sequence > Number(url.searchParams.get('after'))),
  }));
  routes.set('GET /v1/audit/checkpoints', () => ({ checkpoints }));
  site.admin['pki-signer'].routes.set('GET /v1/audit', () => ({ rows: [] }));
  site.admin['pki-signer'].routes.set('GET /v1/audit/checkpoints', () => ({ checkpoints: [] }));
}

const rows = rowsOf('a', 'b', 'c');
const [first, , last] = rows;
if (first === undefined || last === undefined) throw new Error('there are three rows');
const signed = [checkpointOf(first), checkpointOf(last)];

describe('audit verify', () => {
  it('says that the logs of all services are intact, and which key signed', async () => {
    await using site = await fakeSite();
    serve(site, rows, signed);
    const { stdout, exitCode } = await site.run(['audit', 'verify']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('Log:         device-registry\nVerdict:     intact\nRows:        3\n');
    expect(stdout).toContain(`Last hash:   ${last.hash}\nCheckpoints: 2\nSigned by:   ${keyIdOf(publicKey)}\n`);
    expect(stdout).toContain('Log:         pki-signer\nVerdict:     intact\nRows:        0\n');
  });

  it.each([
    ['a row was changed', [{ ...first, subject: 'x' }, ...rows.slice(1)], 'row 1 was changed after it was written'],
    ['a row was removed', [first, last], 'row 3 stands where row 2 belongs'],
    ['rows were cut off at the end', rows.slice(0, 2), 'row 3 is gone'],
    ['the whole log was written anew', rowsOf('x', 'y', 'z'), 'row 1 is not the one of its signed checkpoint'],
  ])('fails when %s', async (_case, found, fault) => {
    await using site = await fakeSite();
    serve(site, found, signed);
    const { stderr, exitCode } = await site.run(['audit', 'verify', '--service', 'device-registry']);
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain(`The audit log of device-registry is not intact: ${fault}`);
  });

  it('fails when another key signed than the one that was written down', async () => {
    await using site = await fakeSite();
    serve(site, rows, signed);
    expect((await site.run(['audit', 'verify', '--key', keyIdOf(publicKey)])).exitCode).toBe(0);
    const { stderr, exitCode } = await site.run(['audit', 'verify', '--key', 'ab'.repeat(32)]);
    expect([exitCode === 0, stderr]).toEqual([false, expect.stringContaining('which is another one')]);
  });
});

describe('audit export', () => {
  it('writes a file that only its owner reads, and that can be verified without the services', async () => {
    await using site = await fakeSite();
    serve(site, rows, signed);
    const file = join(site.directory, 'audit.jsonl');
    await site.run(['audit', 'export', '--out', file]);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    serve(site, [], []);
    const { stdout, exitCode } = await site.run(['audit', 'verify', '--file', file]);
    expect([exitCode, stdout.includes('Rows:        3\n')]).toEqual([0, true]);
  });

  it('makes a file in which a change is found', async () => {
    await using site = await fakeSite();
    serve(site, rows, signed);
    const file = join(site.directory, 'audit.jsonl');
    await site.run(['audit', 'export', '--out', file]);
    await writeFile(file, (await readFile(file, 'utf8')).replace('"subject":"b"', '"subject":"x"'));
    expect((await site.run(['audit', 'verify', '--file', file])).stderr).toContain('row 2 was changed');
  });

  it('names the line of a file that is no row', async () => {
    await using site = await fakeSite();
    const file = join(site.directory, 'other.jsonl');
    await writeFile(file, '{"service":"device-registry"}\n');
    expect((await site.run(['audit', 'verify', '--file', file])).stderr).toContain(`Line 1 of ${file} is no row`);
  });
});

describe('audit tail', () => {
  it('shows the newest rows: when, where, who did what, and to whom', async () => {
    await using site = await fakeSite();
    serve(site, rows, signed);
    const { stdout } = await site.run(['audit', 'tail', '-n', '2']);
    expect(stdout).toBe(
      `${at}  device-registry  ok  admin:alice  device-locked  b\n${at}  device-registry  ok  admin:alice  device-locked  c\n`,
    );
  });
});
