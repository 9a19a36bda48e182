import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from './bootstrap.mjs';

const source = `/*! The licence of Jörg – keep it. */
/** Tells a reader “something”. */
export const words: string = 'grüß … 😀';
// A comment that nobody runs.
export function fail(): never {
  throw new Error(words);
}
fail();
`;

const threadSource = `import { unused } from './unused.ts';
export const isUsed = () => unused;
console.log('the thread runs');
`;

/** An app with one file and one thread, bundled as the services are. */
let folder;
let bundle;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-bundle-'));
  mkdirSync(join(folder, 'src'));
  const workers = { thread: './src/thread.ts' };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', sallyport: { workers } }));
  writeFileSync(join(folder, 'src/thread.ts'), threadSource);
  writeFileSync(join(folder, 'src/unused.ts'), `console.log('a module that nobody uses'); export const unused = 1;`);
  writeFileSync(join(folder, 'tsconfig.json'), '{}');
  writeFileSync(join(folder, 'src/main.ts'), source);
  const rolldown = join(root, 'node_modules/.bin/rolldown');
  execFileSync(rolldown, ['-c', join(root, 'rolldown.config.mjs')], { cwd: folder, stdio: 'ignore' });
  bundle = join(folder, 'dist/bundle/main.js');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the bundle, which fails; returns what it prints. */
function complaint(...flags) {
  try {
    return execFileSync(process.execPath, [...flags, bundle], { encoding: 'utf8', stdio: 'pipe' });
  } catch ({ stderr }) {
    return stderr;
  }
}

describe('a bundle', () => {
  it('is ASCII, because V8 needs twice the memory for any other text', () => {
    expect(readFileSync(bundle).every((byte) => byte < 128)).toBe(true);
  });

  it('keeps licences, and no other comment', () => {
    const text = readFileSync(bundle, 'utf8');
    expect(text).toContain(String.raw`/*! The licence of J\u00f6rg \u2013 keep it. */`);
    expect(text).not.toMatch(/something|nobody runs/);
  });

  it('says in the same words, and with the names of functions, what fails', () => {
    expect(complaint()).toContain('Error: grüß … 😀\n    at fail (');
  });

  it('has a source map that leads to the line', () => {
    expect(complaint('--enable-source-maps')).toContain(`${join(folder, 'src/main.ts')}:6:9`);
  });

  it('has its threads beside it, each in one file, without what is imported only to run', () => {
    expect(readdirSync(join(folder, 'dist/bundle')).toSorted()).toEqual([
      'main.js',
      'main.js.map',
      'thread.js',
      'thread.js.map',
    ]);
    const thread = join(folder, 'dist/bundle/thread.js');
    expect(execFileSync(process.execPath, [thread], { encoding: 'utf8' })).toBe('the thread runs\n');
  });
});
