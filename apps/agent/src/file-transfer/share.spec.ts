import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { deviceId, peerKind } from '@sallyport/protocol';
import { type TemporaryDirectory, TestClock, temporaryDirectory } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ServedFiles } from '../served-files.fixture.js';
import { ownerRule } from './path-ownership.js';

const block = 4096;
const blocks = (count: number) => Buffer.alloc(count * block);

/** Replaces TLS: a header names the peer. */
function peerOf({ headers }: IncomingMessage) {
  const [kind, id] = String(headers['x-peer'] ?? '').split('/');
  return id === undefined ? undefined : { kind: peerKind.parse(kind), deviceId: deviceId.parse(id) };
}

const child01 = { 'x-peer': 'device/child01' };
const child02 = { 'x-peer': 'device/child02' };
const mapper = { 'x-peer': 'service/mapper' };

describe('the share of one client', () => {
  let folder: TemporaryDirectory;

  beforeEach(() => {
    folder = temporaryDirectory();
  });
  afterEach(() => folder.remove());

  const start = (options: Parameters<typeof ServedFiles.start>[0] = {}) =>
    ServedFiles.start({
      limits: { bytes: 10 * block, entries: 100, sharePercent: 50 },
      directory: join(folder.path, 'files'),
      ownersJournal: join(folder.path, 'owners.jsonl'),
      ownerOf: ownerRule(peerOf),
      ...options,
    });

  it('leaves the rest to the others, whatever folder it writes to', async () => {
    await using files = await start();
    expect((await files.put('/te/v1/files/child02/a', blocks(4), child01)).status).toBe(201);
    const reply = await files.put('/te/v1/files/foo', 'x', child01);
    expect([reply.status, reply.text]).toEqual([
      507,
      '"foo" does not fit: it needs 4096 bytes, and you hold 20480 of the 20480 that one client may. Delete files of yours, or raise http.storage_share.',
    ]);
    expect((await files.put('/te/v1/files/child02/b', blocks(5), child02)).status).toBe(201);
  });

  it('bounds files and folders too', async () => {
    await using files = await start({ limits: { entries: 4, sharePercent: 50 } });
    expect((await files.put('/te/v1/files/a/b', '', child01)).status).toBe(201);
    const reply = await files.put('/te/v1/files/c', '', child01);
    expect([reply.status, reply.text]).toEqual([
      507,
      '"c" does not fit: you hold 2 of the 2 files and folders that one client may. Delete some of yours, or raise http.storage_share.',
    ]);
    expect((await files.put('/te/v1/files/c', '', child02)).status).toBe(201);
  });

  it.each([
    ['a service', mapper],
    ['an administrator', { 'x-peer': 'admin/alice' }],
    ['a process of this machine', {}],
  ])('does not bound %s', async (_, headers) => {
    await using files = await start();
    expect((await files.put('/te/v1/files/foo', blocks(10), headers)).status).toBe(201);
  });

  it('is free again when the file is deleted, by whomever, or replaced by somebody else', async () => {
    await using files = await start();
    await files.put('/te/v1/files/a', blocks(5), child01);
    await files.delete('/te/v1/files/a', mapper);
    expect((await files.put('/te/v1/files/a', blocks(5), child01)).status).toBe(201);
    expect((await files.put('/te/v1/files/a', blocks(2), child02)).status).toBe(201);
    expect((await files.put('/te/v1/files/b', blocks(5), child01)).status).toBe(201);
    expect((await files.put('/te/v1/files/c', blocks(4), child02)).status).toBe(507);
  });

  it('counts what the client has under way', async () => {
    await using files = await start();
    const replies = await Promise.all(
      Array.from({ length: 8 }, (_, index) => files.put(`/te/v1/files/f${index}`, blocks(1), child01)),
    );
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(5);
  });

  it('holds over a restart, by whom each file and folder was stored', async () => {
    await using first = await start();
    await first.put('/te/v1/files/dir/a', blocks(3), child01);
    await first.put('/te/v1/files/b', blocks(1), child02);
    await first.put('/te/v1/files/gone', 'x', child01);
    await first.delete('/te/v1/files/gone');
    await using second = await start();
    expect((await second.put('/te/v1/files/c', blocks(2), child01)).status).toBe(507);
    expect((await second.put('/te/v1/files/c', blocks(1), child01)).status).toBe(201);
    expect((await second.put('/te/v1/files/d', blocks(4), child02)).status).toBe(201);
  });

  it('holds when a crash has cut off the last line of the journal', async () => {
    await using first = await start();
    await first.put('/te/v1/files/a', blocks(5), child01);
    const journal = join(folder.path, 'owners.jsonl');
    expect(await readFile(journal, 'utf8')).toBe('["a","device:child01"]\n');
    await writeFile(journal, '["a","device:child01"]\n["b","devi');
    await using second = await start();
    expect((await second.put('/te/v1/files/c', 'x', child01)).status).toBe(507);
    await second.put('/te/v1/files/d', 'x', child02);
    expect(await readFile(journal, 'utf8')).toBe('["a","device:child01"]\n["d","device:child02"]\n');
  });

  it('forgets files that local processes have deleted', async () => {
    const clock = new TestClock();
    await using files = await start({ nowMs: clock.nowMs });
    await files.put('/te/v1/files/a', blocks(5), child01);
    await rm(join(files.directory, 'a'));
    clock.advance(600);
    expect((await files.put('/te/v1/files/b', blocks(5), child01)).status).toBe(201);
  });

  it('makes a long journal short again, at the latest when it starts', async () => {
    await using first = await start();
    await first.put('/te/v1/files/b', 'x', child01);
    const journal = join(folder.path, 'owners.jsonl');
    await appendFile(journal, '["a","device:child01"]\n["a"]\n'.repeat(2_000));
    await using second = await start();
    expect(await readFile(journal, 'utf8')).toBe('["b","device:child01"]\n');
    await second.put('/te/v1/files/c', 'x', child02);
    expect(await readFile(journal, 'utf8')).toBe('["b","device:child01"]\n["c","device:child02"]\n');
  });

  it('refuses no upload because the journal cannot be written', async () => {
    await using files = await start({ ownersJournal: join(folder.path, 'missing', 'owners.jsonl') });
    expect((await files.put('/te/v1/files/a', blocks(5), child01)).status).toBe(201);
    expect((await files.put('/te/v1/files/b', 'x', child01)).status).toBe(507);
    expect(files.faults).toEqual([]);
  });
});

describe('whose share a client without a certificate uses', () => {
  function ownerFrom(remoteAddress: string): string | undefined {
    const socket = new Socket();
    Object.defineProperty(socket, 'remoteAddress', { value: remoteAddress });
    return ownerRule(() => undefined)(new IncomingMessage(socket));
  }

  it.each([
    ['192.0.2.7', 'network:192.0.2.7'],
    ['::ffff:192.0.2.7', 'network:192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', 'network:2001:db8:1:2::'],
    ['127.0.0.1', undefined],
    ['::ffff:127.0.0.1', undefined],
    ['::1', undefined],
  ])('from %s is %s', (address, owner) => {
    expect(ownerFrom(address)).toBe(owner);
  });
});
