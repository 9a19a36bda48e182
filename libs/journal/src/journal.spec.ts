import { appendFile, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { type TemporaryDirectory, temporaryDirectory } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Journal, type JournalOptions } from './journal.js';
import type { JournalEntry } from './journal-entry.js';

const hex = (digit: string) => digit.repeat(64);

function entry(sequence: number, key = `certificate/${sequence}`): JournalEntry {
  const at = { origin: hex('a'), sequence, hash: hex('b') };
  return { ...at, rows: [], changes: [{ put: key, value: { number: sequence } }] };
}

describe('a journal', () => {
  let directory: TemporaryDirectory;
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());

  const open = (more: Partial<JournalOptions> = {}) =>
    Journal.open({ folder: directory.file('journal'), owner: 'host-1', isKept: () => true, ...more });

  const sequencesOf = async (journal: Journal): Promise<number[]> => {
    const sequences: number[] = [];
    for await (const { entry } of journal.entries()) sequences.push(entry.sequence);
    return sequences;
  };

  it('has after a restart what was written before', async () => {
    const journal = await open();
    for (const sequence of [1, 2, 3]) await journal.append(entry(sequence));
    const again = await open();
    expect(again.newest).toEqual(entry(3));
    expect(await sequencesOf(again)).toEqual([1, 2, 3]);
  });

  it('can be read by its owner only', async () => {
    const journal = await open();
    await journal.append(entry(1));
    expect((await stat(directory.file('journal'))).mode & 0o777).toBe(0o700);
    expect((await stat(directory.file('journal', 'host-1.000001.ndjson'))).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['a line that a crash has torn', 'a1b2c3d4 {"origin":"aaaa'],
    ['a line of zeros', '\0'.repeat(100)],
    ['a line with another checksum', '00000000 {}\n'],
    ['a line with a checksum that fits, but no JSON', `${crc32('{').toString(16).padStart(8, '0')} {\n`],
  ])('leaves out %s, and goes on after it', async (_what, torn) => {
    const journal = await open();
    await journal.append(entry(1));
    await appendFile(directory.file('journal', 'host-1.000001.ndjson'), torn);
    const again = await open();
    await again.append(entry(2));
    expect(await sequencesOf(again)).toEqual([1, 2]);
  });

  it('leaves out an entry that was changed afterwards', async () => {
    const journal = await open();
    for (const sequence of [1, 2]) await journal.append(entry(sequence));
    const path = directory.file('journal', 'host-1.000001.ndjson');
    await writeFile(path, (await readFile(path, 'utf8')).replace('"number":1', '"number":7'));
    expect(await sequencesOf(journal)).toEqual([2]);
  });

  it('reads what other replicas have written into the same folder', async () => {
    const [one, other] = [await open(), await open({ owner: 'host-2' })];
    await one.append(entry(1));
    await other.append(entry(2));
    expect(await sequencesOf(one)).toEqual([1, 2]);
    expect((await one.newestOfEach()).map(({ owner }) => owner)).toEqual(['host-1', 'host-2']);
  });

  it('keeps what it has of one site apart from what it has of another', async () => {
    const ofSite = (digit: string, sequence: number) => ({ ...entry(sequence), origin: hex(digit) });
    const journal = await open();
    for (const sequence of [1, 2]) await journal.append(ofSite('a', sequence));
    await (await open()).append(ofSite('c', 1));
    await (await open()).append(ofSite('a', 3));
    await (await open()).append(ofSite('c', 2));
    const last = await open();
    const newest = (await last.newestOfEach()).map(({ entry: { origin, sequence } }) => `${origin[0]}${sequence}`);
    expect(newest.toSorted()).toEqual(['a3', 'c1', 'c2']);
    expect((await sequencesOf(last)).toSorted()).toEqual([1, 1, 2, 2, 3]);
  });

  it('stays within its limit, and keeps the last change of each key that matters', async () => {
    const isKept: JournalOptions['isKept'] = (change) => 'put' in change && change.put.startsWith('revocation/');
    const journal = await open({ segmentBytes: 2_000, mostBytes: 8_000, isKept });
    await journal.append(entry(1, 'revocation/1'));
    for (let sequence = 2; sequence <= 200; sequence += 1) await journal.append(entry(sequence, 'certificate/one'));
    const names = await readdir(directory.file('journal'));
    const sizes = await Promise.all(names.map(async (name) => (await stat(directory.file('journal', name))).size));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(12_000);
    const sequences = await sequencesOf(journal);
    expect(sequences).toContain(1);
    expect(sequences.at(-1)).toBe(200);
  });

  it('tells that it cannot be written, and can be written again later', async () => {
    const journal = await open();
    await journal.append(entry(1));
    await rm(directory.file('journal'), { recursive: true });
    await writeFile(directory.file('journal'), 'a file in its place');
    await expect(journal.append(entry(2))).rejects.toThrow('ENOTDIR');
    await rm(directory.file('journal'));
    await journal.append(entry(3));
    expect(await sequencesOf(journal)).toEqual([3]);
  });
});
