import { statSync } from 'node:fs';
import { symlink, utimes, writeFile } from 'node:fs/promises';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { fileVersion } from './file-version.js';
import { HotFiles } from './hot-files.js';

describe('small files in memory', () => {
  it.each([
    ['are read anew while a change within the same tick of the clock could hide, whatever their time stamp says', 1, 0],
    ['are kept from two seconds after their last change', 2_001, 1],
  ])('%s', async (_, ageMs, kept) => {
    await using folder = temporaryDirectory();
    const path = folder.file('foo');
    await writeFile(path, 'x');
    // tar, rsync and cp -p set such a time.
    await utimes(path, new Date('2025-03-04'), new Date('2025-03-04'));
    const stats = statSync(path);
    const files = new HotFiles(() => stats.ctimeMs + ageMs);
    files.remember(path, { version: fileVersion(stats), stats, content: 'x' });
    expect([files.get(path)].filter((file) => file !== undefined)).toHaveLength(kept);
  });

  it('are dropped, those first that were not asked for the longest, before they exceed 8 MiB', async () => {
    await using folder = temporaryDirectory();
    const path = folder.file('foo');
    await writeFile(path, 'x');
    const stats = statSync(path);
    const files = new HotFiles(() => stats.ctimeMs + 10_000);
    // All are links to one file. Each entry has 1 MiB of content minus the memory for the entry itself.
    const paths = Array.from({ length: 9 }, (_, index) => folder.file(`link${index}`));
    for (const link of paths) await symlink(path, link);
    const content = 'x'.repeat(1024 * 1024 - 1024);
    for (const link of paths.slice(0, 8)) files.remember(link, { version: fileVersion(stats), stats, content });
    expect(files.get(paths[0] ?? '')).toBeDefined();
    files.remember(paths[8] ?? '', { version: fileVersion(stats), stats, content });
    expect(paths.map((link) => files.get(link) !== undefined)).toEqual([
      ...[true, false, true, true, true, true, true, true, true],
    ]);
  });
});
