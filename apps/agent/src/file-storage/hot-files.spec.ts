import { statSync } from 'node:fs';
import { utimes, writeFile } from 'node:fs/promises';
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
    // As tar, rsync and cp -p leave it.
    await utimes(path, new Date('2025-03-04'), new Date('2025-03-04'));
    const stats = statSync(path);
    const files = new HotFiles(() => stats.ctimeMs + ageMs);
    files.remember(path, { version: fileVersion(stats), stats, content: 'x' });
    expect([files.get(path)].filter((file) => file !== undefined)).toHaveLength(kept);
  });
});
