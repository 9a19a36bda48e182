import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ensureInstalled,
  installFault,
  isBuilt,
  markBuilt,
  root,
  runtime,
  runtimeEnvironment,
  runtimeFlags,
} from './bootstrap.mjs';

let folder;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-clone-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

/** Writes a file of a clone with the modification time that the test needs, in seconds since 1970. */
function file(path, seconds) {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), '');
  utimesSync(join(folder, path), seconds, seconds);
}

describe('installation', () => {
  function installsWhen() {
    const installs = [];
    ensureInstalled(folder, (where) => installs.push(where));
    return installs;
  }

  it('happens in a fresh clone', () => {
    file('package-lock.json', 100);
    expect(installsWhen()).toEqual([folder]);
  });

  it('happens again when the lock file is newer than what is installed', () => {
    file('node_modules/.package-lock.json', 100);
    file('package-lock.json', 101);
    expect(installsWhen()).toEqual([folder]);
  });

  it('happens once', () => {
    file('package-lock.json', 100);
    file('node_modules/.package-lock.json', 100);
    expect(installsWhen()).toEqual([]);
  });
});

describe('an installation that fails', () => {
  it.each([
    ['by the kernel', { status: null, signal: 'SIGKILL' }],
    ['by the kernel, below a shell', { status: 137, signal: null }],
  ])('names the memory when npm was killed %s', (_how, result) => {
    expect(installFault(result, 512)).toBe(
      'npm ci was killed: out of memory. It needs 870 MB, and this machine has 512 MB in all. Add swap space, or install on a larger machine and copy the folder. Then run this again.',
    );
  });

  it('names the network and the disk when npm says what is wrong', () => {
    expect(installFault({ status: 1, signal: null })).toContain('Check the network and the disk');
  });

  it('names the signal when somebody ended it', () => {
    expect(installFault({ status: null, signal: 'SIGTERM' })).toBe('npm ci was ended by SIGTERM. Run this again.');
  });
});

describe('the Node that runs Sallyport', () => {
  const machine = (version, hasPackaged) => ({
    version,
    execPath: '/usr/bin/node',
    hasFile: () => hasPackaged,
    fail: (message) => `failed: ${message}`,
  });

  it.each(['24.0.0', '26.10.0'])('is the one that runs already when it is new enough: %s', (version) => {
    expect(runtime(machine(version, true))).toBe('/usr/bin/node');
  });

  it('is the packaged one when the one that runs is too old', () => {
    expect(runtime(machine('20.20.2', true))).toMatch(/\/node_modules\/\.bin\/node$/);
  });

  it('is asked for in words on a platform it is not packaged for', () => {
    expect(runtime(machine('20.20.2', false))).toMatch(
      /^failed: Sallyport runs on Node 24 or newer; this is 20\.20\.2/,
    );
  });
});

describe('the build', () => {
  const bundle = 'apps/agent/dist/bundle/main.js';

  beforeEach(() => {
    for (const path of ['package-lock.json', 'rolldown.config.mjs', 'tsconfig.base.json']) file(path, 100);
    for (const path of ['apps/agent/package.json', 'apps/agent/src/main.ts']) file(path, 100);
    for (const path of ['libs/tls/package.json', 'libs/tls/src/deep/inside.ts']) file(path, 100);
    for (const path of ['apps/agent/src', 'libs/tls/src', 'libs/tls/src/deep'])
      utimesSync(join(folder, path), 100, 100);
  });

  it('is missing in a fresh clone', () => {
    expect(isBuilt([bundle], folder)).toBe(false);
  });

  it('is done while nothing changes', () => {
    file(bundle, 101);
    expect(isBuilt([bundle], folder)).toBe(true);
  });

  it.each(['libs/tls/src/deep/inside.ts', 'libs/tls/package.json', 'package-lock.json', 'rolldown.config.mjs'])(
    'is old when %s changed after it',
    (path) => {
      file(bundle, 101);
      file(path, 102);
      expect(isBuilt([bundle], folder)).toBe(false);
    },
  );

  it('is old when a file was removed after it', () => {
    file(bundle, 101);
    rmSync(join(folder, 'libs/tls/src/deep/inside.ts'));
    expect(isBuilt([bundle], folder)).toBe(false);
  });

  it('is done after it has been asked for, though nothing had to be made anew', () => {
    file(bundle, 50);
    markBuilt([bundle], folder);
    expect(isBuilt([bundle], folder)).toBe(true);
  });
});

describe('flags of the runtime', () => {
  function flagsIn(path) {
    const words = readFileSync(join(root, 'deploy', path), 'utf8').split(/[\s",[\]]+/);
    return words.filter((word) => /^--(disable|max|optimize|heap)/.test(word));
  }

  it('are those of `npm start` in the unit of the whole system', () => {
    expect(flagsIn('systemd/sallyport.service')).toEqual(runtimeFlags);
  });

  it('come with the same environment there', () => {
    const unit = readFileSync(join(root, 'deploy/systemd/sallyport.service'), 'utf8');
    const pairs = [...unit.matchAll(/\b(UV_\w+|MALLOC_\w+)=(\S+)/g)].map(([, name, value]) => [name, value]);
    expect(Object.fromEntries(pairs)).toEqual(runtimeEnvironment);
  });

  // Optimising for size makes a small request a tenth slower. A service with its own process has enough memory without
  // it.
  it.each(['systemd/sallyport@.service', 'Dockerfile'])('do not ask for small code in deploy/%s', (path) => {
    expect(flagsIn(path)).toEqual(
      runtimeFlags.map((flag) => (flag === '--optimize-for-size' ? '--heap-growing-percent=60' : flag)),
    );
  });
});
