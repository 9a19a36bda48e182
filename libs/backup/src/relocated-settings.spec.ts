import { readFile, writeFile } from 'node:fs/promises';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { relocated } from './relocated-settings.js';

describe('paths in restored settings', () => {
  it.each([
    {
      title: 'where a folder of this machine lies in a former folder of the other',
      from: { config: '/etc/tedge', state: '/state', data: '/data' },
      to: { config: '/opt/tedge', state: '/state', data: '/etc/tedge/data' },
      expected: '/etc/tedge/data/x.pem',
    },
    {
      title: 'where a folder stays and the one around it moves',
      from: { config: '/srv', state: '/state', data: '/srv/data' },
      to: { config: '/opt', state: '/state', data: '/srv/data' },
      expected: '/srv/data/x.pem',
    },
  ])('lead to the folder of this machine $title', async ({ from, to, expected }) => {
    const directory = temporaryDirectory();
    try {
      await writeFile(directory.file('tedge.toml'), `[http]\ncert_path = "${from.data}/x.pem"\n`);
      await relocated(directory.path, from, to);
      expect(await readFile(directory.file('tedge.toml'), 'utf8')).toBe(`[http]\ncert_path = "${expected}"\n`);
    } finally {
      await directory.remove();
    }
  });
});
