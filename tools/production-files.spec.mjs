import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from './bootstrap.mjs';

/** What `production` in nx.json leaves out: a change there builds nothing anew. */
const isForTests = (path) => /\.(?:spec|fixture)\.ts$|\/fixtures\/|\/testing\.ts$/.test(path);

it('no file of the product imports what only tests need, which its build does not look at', () => {
  const listed = execFileSync('git', ['ls-files', 'apps/*/src/*.ts', 'libs/*/src/*.ts'], { cwd: root });
  const files = listed
    .toString()
    .trim()
    .split('\n')
    .filter((path) => !isForTests(path) && !path.startsWith('libs/testkit/'));
  const importsOfTests = /from '[^']*(?:\.fixture\.js|\/fixtures\/[^']*|\/testing(?:\.js)?|@sallyport\/testkit)'/;

  expect(files.length).toBeGreaterThan(100);
  expect(files.filter((path) => importsOfTests.test(readFileSync(join(root, path), 'utf8')))).toEqual([]);
});
