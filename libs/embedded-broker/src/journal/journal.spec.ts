import { cpSync } from 'node:fs';
import { cp, readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '@sallyport/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openJournalSite } from './journal-site.fixture.js';
import { segmentHeaderBytes } from './segment.js';

/** Limits under which a few values fill segments. */
const small = { segmentBytes: 2_000, slackBytes: 4_000, bytesMovedAtOnce: 500 };

describe('journal', () => {
  it('has after a restart what was kept, and not what was ended', async () => {
    await using site = openJournalSite();
    const before = await site.open();
    for (const name of ['a', 'b', 'c']) before.set(name, '1');
    before.delete('b');
    before.set('c', '2');
    await before.journal.close();
    expect((await site.open()).all).toEqual({ a: '1', c: '2' });
  });

  it('has on disk what it said is committed, before it is closed', async () => {
    await using site = openJournalSite();
    const running = await site.open();
    running.set('a', '1');
    const { position } = running.journal;
    expect(running.journal.committed).toBeLessThan(position);
    await running.journal.flushed();
    expect(running.journal.committed).toBe(position);
    await using copy = openJournalSite();
    await cp(site.folder, copy.folder, { recursive: true });
    expect((await copy.open()).all).toEqual({ a: '1' });
  });

  it('writes what comes in one turn together', async () => {
    await using site = openJournalSite();
    const values = await site.open();
    for (let index = 0; index < 1_000; index += 1) values.set(`name${index}`, 'x');
    await values.journal.flushed();
    expect(values.journal.counters.commits).toBe(1);
  });

  it('writes an end that a crash may undo with what somebody waits for', async () => {
    await using site = openJournalSite();
    const values = await site.open({ lazyMs: 60_000 });
    values.set('a', '1');
    await values.journal.flushed();
    values.deleteLazily('a');
    await new Promise(setImmediate);
    expect([values.journal.counters.commits, values.journal.position]).toEqual([1, 2]);
    values.set('b', '2');
    await values.journal.flushed();
    expect([values.journal.counters.commits, values.journal.committed]).toEqual([2, 2]);
  });

  it('writes such an end alone when nothing else comes, or when it is closed', async () => {
    await using site = openJournalSite();
    const values = await site.open({ lazyMs: 1 });
    for (const name of ['a', 'b']) values.set(name, '1');
    await values.journal.flushed();
    values.deleteLazily('a');
    await waitFor(() => values.journal.committed === 2);
    values.deleteLazily('b');
    await values.journal.close();
    expect((await site.open()).all).toEqual({});
  });

  it('gives its folder to one process at a time', async () => {
    await using site = openJournalSite();
    const first = await site.open();
    await expect(site.open()).rejects.toMatchObject({ type: 'conflict' });
    await first.journal.close();
    await site.open();
  });

  it('lets nobody else read what it keeps', async () => {
    await using site = openJournalSite();
    const values = await site.open();
    values.set('a', 'secret');
    await values.journal.flushed();
    const modes = await Promise.all(
      ['', ...(await readdir(site.folder))].map(async (name) => (await stat(join(site.folder, name))).mode & 0o777),
    );
    expect(modes).toEqual([0o700, ...modes.slice(1).map(() => 0o600)]);
  });
});

describe('journal after a crash', () => {
  it('loses nothing but the batch that was being written, wherever it was cut', async () => {
    await using site = openJournalSite();
    const before = await site.open();
    before.set('a', 'first batch');
    await before.journal.flushed();
    before.set('b', 'second batch');
    await before.journal.close();
    const [name = ''] = await site.segments();
    const bytes = await site.read(name);
    const secondAt = bytes.indexOf('SPJB', segmentHeaderBytes + 1);
    for (let length = secondAt; length < bytes.length; length += 1) {
      await site.write(name, bytes.subarray(0, length));
      const after = await site.open();
      expect(after.all).toEqual({ a: 'first batch' });
      await after.journal.close();
    }
    expect(site.warnings[0]).toBe('the end of the journal was not finished and was cut');
  });

  it('starts though a client has published what looks like a batch, and the end is torn within it', async () => {
    await using forgery = openJournalSite();
    const forger = await forgery.open();
    forger.set('a', 'forged');
    await forger.journal.close();
    const [name = ''] = await forgery.segments();
    const forged = (await forgery.read(name)).subarray(segmentHeaderBytes);
    await using site = openJournalSite();
    const before = await site.open();
    before.set('a', 'true');
    await before.journal.flushed();
    before.set('b', Buffer.concat([forged, Buffer.alloc(100)]));
    await before.journal.close();
    await site.write(name, (await site.read(name)).subarray(0, -50));
    expect((await site.open()).all).toEqual({ a: 'true' });
  });

  it('goes on behind a torn end, and has what came since', async () => {
    await using site = openJournalSite();
    const before = await site.open();
    before.set('a', '1');
    await before.journal.close();
    const [name = ''] = await site.segments();
    await site.write(name, Buffer.concat([await site.read(name), Buffer.alloc(4_096)]));
    const torn = await site.open();
    torn.set('b', '2');
    await torn.journal.close();
    expect((await site.open()).all).toEqual({ a: '1', b: '2' });
  });

  it.each([0, 5, segmentHeaderBytes])('starts when the newest file has %i bytes', async (length) => {
    await using site = openJournalSite();
    const before = await site.open({ segmentBytes: 1 });
    before.set('a', '1');
    await before.journal.flushed();
    before.set('b', '2');
    await before.journal.close();
    const newest = (await site.segments()).at(-1) ?? '';
    await site.write(newest, (await site.read(newest)).subarray(0, length));
    const after = await site.open();
    expect(after.all).toEqual({ a: '1' });
    after.set('c', '3');
    await after.journal.close();
    expect((await site.open()).all).toEqual({ a: '1', c: '3' });
  });

  it('never has half of what was written together', async () => {
    await using site = openJournalSite();
    const before = await site.open();
    before.set('kept', '1');
    await before.journal.flushed();
    before.set('one', '1');
    before.set('other', '1');
    await before.journal.close();
    const [name = ''] = await site.segments();
    const bytes = await site.read(name);
    await site.write(name, bytes.subarray(0, bytes.length - 1));
    expect((await site.open()).all).toEqual({ kept: '1' });
  });
});

describe('journal that cannot be read', () => {
  /** Three segments with one value each. */
  async function openThree() {
    const site = openJournalSite();
    const values = await site.open({ segmentBytes: 1 });
    for (const name of ['a', 'b', 'c']) {
      values.set(name, 'some value');
      await values.journal.flushed();
    }
    await values.journal.close();
    const names = await site.segments();
    expect(names).toHaveLength(3);
    return { site, names };
  }

  async function contents(site: Awaited<ReturnType<typeof openThree>>['site']): Promise<string[]> {
    return Promise.all((await site.segments()).map(async (name) => (await site.read(name)).toString('hex')));
  }

  const flipped = (bytes: Buffer, at: number) => {
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ 0x40;
    return copy;
  };
  const versioned = (bytes: Buffer) => {
    const copy = Buffer.from(bytes);
    copy.writeUInt32BE(2, 8);
    return copy;
  };

  it.each<[string, number, (bytes: Buffer) => Buffer, string]>([
    ['a damaged byte in the middle', 1, (bytes) => flipped(bytes, bytes.length - 3), 'is damaged at byte 20'],
    ['a cut end in the middle', 1, (bytes) => bytes.subarray(0, -3), 'is damaged at byte 20'],
    ['a damaged header', 0, (bytes) => flipped(bytes, 13), 'has a damaged header'],
    ['other content', 0, () => Buffer.from('#!/bin/sh\necho hello world\n'), 'was not written by this broker'],
    ['nothing in it', 0, () => Buffer.alloc(0), 'was not written by this broker'],
    ['a newer format', 2, versioned, 'has format 2; this release knows 1'],
  ])('stops the start for a file with %s, and changes nothing', async (_what, index, change, reason) => {
    const { site, names } = await openThree();
    await using _ = site;
    const name = names[index] ?? '';
    await site.write(name, change(await site.read(name)));
    const before = await contents(site);
    await expect(site.open()).rejects.toThrow(`its journal file ${name} ${reason}`);
    expect(await contents(site)).toEqual(before);
  });

  it('stops the start for damage in the newest file that has whole batches behind it', async () => {
    await using site = openJournalSite();
    const values = await site.open();
    for (const name of ['a', 'b', 'c']) {
      values.set(name, 'some value');
      await values.journal.flushed();
    }
    await values.journal.close();
    const [name = ''] = await site.segments();
    await site.write(name, flipped(await site.read(name), segmentHeaderBytes + 30));
    await expect(site.open()).rejects.toThrow(`is damaged at byte ${segmentHeaderBytes}`);
  });

  it('stops the start when a file was replaced by an older copy', async () => {
    const { site, names } = await openThree();
    await using _ = site;
    const [first = '', middle = ''] = names;
    const bytes = await site.read(middle);
    const older = Buffer.from(await site.read(first));
    bytes.copy(older, 0, 0, segmentHeaderBytes - 4);
    await site.write(middle, older);
    await expect(site.open()).rejects.toThrow(`its journal file ${middle} goes on with batch 1 after batch 1`);
  });

  it('stops the start when a file in the middle is missing', async () => {
    const { site, names } = await openThree();
    await using _ = site;
    await rename(join(site.folder, names[1] ?? ''), join(site.folder, 'elsewhere'));
    await expect(site.open()).rejects.toThrow(`its journal file ${names[1]} is missing`);
  });

  it('goes on without a file that its operator has set aside, and says so', async () => {
    const { site, names } = await openThree();
    await using _ = site;
    const [, middle = ''] = names;
    await rename(join(site.folder, middle), join(site.folder, middle.replace('.journal', '.damaged')));
    expect((await site.open()).all).toEqual({ a: 'some value', c: 'some value' });
    expect(site.warnings).toEqual(['journal files were set aside']);
  });
});

describe('journal on a full disk', () => {
  it('says so, commits nothing, and goes on when there is room again', async () => {
    await using site = openJournalSite();
    const values = await site.open();
    values.set('a', '1');
    await values.journal.flushed();
    site.disk.isFull = true;
    values.set('b', '2');
    const { position } = values.journal;
    await waitFor(() => values.journal.isFailing);
    expect([values.journal.committed < position, site.warnings]).toEqual([
      true,
      ['the journal cannot be written; what has to be kept is not acknowledged'],
    ]);
    values.set('c', '3');
    site.disk.isFull = false;
    await values.journal.flushed();
    expect([values.journal.isFailing, site.warnings[1]]).toEqual([false, 'the journal can be written again']);
    await values.journal.close();
    expect((await site.open()).all).toEqual({ a: '1', b: '2', c: '3' });
  });

  it('keeps what it had when it is closed meanwhile', async () => {
    await using site = openJournalSite();
    const values = await site.open();
    values.set('a', '1');
    await values.journal.flushed();
    site.disk.isFull = true;
    values.set('b', '2');
    await values.journal.close();
    site.disk.isFull = false;
    expect((await site.open()).all).toEqual({ a: '1' });
  });
});

describe('journal that runs for long', () => {
  it('stays small when few values change often', async () => {
    await using site = openJournalSite();
    const values = await site.open(small);
    values.set('stays', 'from the beginning');
    for (let round = 0; round < 500; round += 1) {
      values.set(`name${round % 5}`, String(round).padEnd(100, '.'));
      await values.journal.flushed();
    }
    expect(values.journal.bytesOnDisk).toBeLessThan(12_000);
    const { all } = values;
    await values.journal.close();
    expect((await site.open(small)).all).toEqual(all);
  });

  it('has after each crash what was committed, whatever was kept, changed and ended', async () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd');
    const step = fc.oneof(
      fc.record({ set: name, length: fc.nat(400) }),
      fc.record({ delete: name }),
      fc.record({ deleteLazily: name }),
      fc.constant('flush' as const),
      fc.constant('crash' as const),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        await using site = openJournalSite();
        let values = await site.open(small);
        for (const [index, each] of steps.entries()) {
          if (each === 'flush') await values.journal.flushed();
          else if (each === 'crash') {
            await values.journal.flushed();
            const { all } = values;
            await values.journal.close();
            values = await site.open(small);
            expect(values.all).toEqual(all);
          } else if ('set' in each) values.set(each.set, String(index).padEnd(each.length, '.'));
          else if ('delete' in each) values.delete(each.delete);
          else values.deleteLazily(each.deleteLazily);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('has a state that it really had, not older than the last commit, wherever it is killed', async () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd');
    const step = fc.oneof(
      fc.record({ set: name, length: fc.nat(900) }),
      fc.record({ delete: name }),
      fc.record({ deleteLazily: name }),
      fc.constant('turn' as const),
      fc.constant('flush' as const),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 120 }), async (steps) => {
        await using site = openJournalSite();
        await using copy = openJournalSite();
        const values = await site.open(small);
        const stateAt = new Map([[values.journal.position, values.all]]);
        for (const [index, each] of steps.entries()) {
          if (each === 'flush') await values.journal.flushed();
          else if (each === 'turn') await new Promise(setImmediate);
          else if ('set' in each) values.set(each.set, String(index).padEnd(each.length, '.'));
          else if ('delete' in each) values.delete(each.delete);
          else values.deleteLazily(each.deleteLazily);
          stateAt.set(values.journal.position, values.all);
        }
        const { committed } = values.journal;
        cpSync(site.folder, copy.folder, { recursive: true });
        const { all } = await copy.open(small);
        const possible = [...stateAt].filter(([position]) => position >= committed).map(([, state]) => state);
        expect(possible).toContainEqual(all);
      }),
      { numRuns: 60 },
    );
  });

  it('removes no file before what took its place is on disk', async () => {
    await using site = openJournalSite();
    await using copy = openJournalSite();
    const values = await site.open({ segmentBytes: 1 });
    values.set('a', 'old');
    await values.journal.flushed();
    values.set('b', 'gone soon');
    values.delete('b');
    await values.journal.flushed();
    values.set('c', 'x');
    values.journal.whenCommitted({
      committed: () => {
        site.disk.isFull = true;
      },
    });
    // While this is being written, the only value of the first file gets a new one, which does not reach the disk.
    await new Promise(setImmediate);
    values.set('a', 'new');
    await waitFor(() => values.journal.isFailing);
    cpSync(site.folder, copy.folder, { recursive: true });
    expect((await copy.open()).all).toMatchObject({ a: 'old' });
  });

  it('moves a bounded part at a time, so that nobody waits for it', async () => {
    await using site = openJournalSite();
    const values = await site.open({ segmentBytes: 1024 * 1024, slackBytes: 1024 * 1024, bytesMovedAtOnce: 50_000 });
    for (let index = 0; index < 30_000; index += 1) values.set(`stays${index}`, 'x'.repeat(200));
    await values.journal.flushed();
    const [oldest = ''] = await site.segments();
    site.disk.largestWrite = 0;
    while ((await site.segments()).includes(oldest)) {
      for (let index = 0; index < 100; index += 1) values.set(`changes${index}`, 'y'.repeat(200));
      await values.journal.flushed();
    }
    expect(site.disk.largestWrite).toBeLessThan(50_000 + 100 * 250);
    const { all } = values;
    await values.journal.close();
    expect((await site.open()).all).toEqual(all);
  });
});
