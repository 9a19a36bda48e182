import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from './bootstrap.mjs';

const rows = `  greeter: {
    service: 'greeter',
    protocol: 'http',
    name: 'greetings',
    defaultPort: 8765,
    clientCertificate: 'by-level',
    keys: { cert: 'greeter.cert_path', key: 'greeter.key_path', ca: 'greeter.ca_path' },
    settingsOf: 'the greeter',
  },
  'greeter.coap': {
    service: 'greeter',
    protocol: 'coap',
    name: 'greetings of streams',
    defaultPort: 8766,
    clientCertificate: 'by-level',
    keys: { cert: 'greeter.coap.cert_path', key: 'greeter.coap.key_path', ca: 'greeter.coap.ca_path' },
    settingsOf: 'the greeter of streams',
  },
`;

/**
 * Everything that a new service needs outside its own folder: its name and rows in the table of entrances, and its place
 * in the list of standalone.
 */
const edits = [
  ['libs/protocol/src/entrances.ts', "  'coap-gateway',\n]);", "  'coap-gateway',\n  'greeter',\n]);"],
  ['libs/protocol/src/entrances.ts', '} as const satisfies', `${rows}} as const satisfies`],
  ['apps/standalone/src/standalone.ts', '    agent,\n  ];', '    greeter,\n    agent,\n  ];'],
];

// The language needs these for any dependency: an import, and a reference for the compiler.
const manifests = [
  [
    'apps/standalone/src/standalone.ts',
    'import { agent }',
    "import { greeter } from '@sallyport/greeter';\nimport { agent }",
  ],
  [
    'apps/standalone/tsconfig.json',
    '"references": [',
    '"references": [{ "path": "../greeter" }, { "path": "../cli" },',
  ],
];

// The test runs the compiler and a whole system, and the machine may be busy.
const slow = { timeout: 300_000 };

describe('a sixth service with one entrance for HTTP and one for streams', () => {
  let copy;

  beforeAll(async () => {
    copy = await mkdtemp(join(tmpdir(), 'sallyport-sixth-'));
    copySources(copy);
    addService(copy);
  });

  afterAll(() => rm(copy, { recursive: true, force: true }));

  it('compiles with the whole product', slow, async ({ signal }) => {
    expect(await run(signal, copy, 'typescript/bin/tsc', ['-b', 'apps/standalone', 'apps/cli'])).toEqual({
      code: 0,
      output: '',
    });
  });

  it('is served, secured, proved and examined like the others', slow, async ({ signal }) => {
    const check = join(copy, 'apps/standalone/src/greeter.spec.ts');
    cpSync(join(root, 'tools/sixth-service/check.spec.ts'), check);
    const result = await run(signal, copy, 'vitest/vitest.mjs', [
      'run',
      '--root',
      '.',
      '--project',
      '@sallyport/standalone',
      check,
    ]);
    expect(result.output).toContain('1 passed');
    expect(result.code).toBe(0);
  });
});

function copySources(copy) {
  const isSource = (path) => !/\/(node_modules|dist)(\/|$)|\.spec\.ts$/.test(path.slice(root.length));
  for (const name of ['apps', 'libs', 'e2e', 'tools', 'package.json', 'tsconfig.base.json', 'vitest.config.ts'])
    cpSync(join(root, name), join(copy, name), { recursive: true, filter: isSource });
  const modules = join(copy, 'node_modules');
  mkdirSync(join(modules, '@sallyport'), { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules')))
    if (name !== '@sallyport') symlinkSync(join(root, 'node_modules', name), join(modules, name));
  for (const folder of ['apps', 'libs'])
    for (const name of readdirSync(join(copy, folder)))
      symlinkSync(join('../..', folder, name), join(modules, '@sallyport', name));
}

function addService(copy) {
  const folder = join(copy, 'apps/greeter');
  mkdirSync(join(folder, 'src'), { recursive: true });
  cpSync(join(root, 'tools/sixth-service/service.ts'), join(folder, 'src/service.ts'));
  for (const name of ['package.json', 'tsconfig.json'])
    writeFileSync(join(folder, name), textOf(copy, `apps/mqtt-broker/${name}`).replaceAll('mqtt-broker', 'greeter'));
  symlinkSync('../../apps/greeter', join(copy, 'node_modules/@sallyport/greeter'));
  for (const [file, before, after] of [...edits, ...manifests]) {
    expect(textOf(copy, file)).toContain(before);
    writeFileSync(join(copy, file), textOf(copy, file).replace(before, after));
  }
}

function textOf(copy, file) {
  return readFileSync(join(copy, file), 'utf8');
}

function run(signal, cwd, program, words) {
  const child = spawn(process.execPath, [join(root, 'node_modules', program), ...words], {
    cwd,
    signal,
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  child.on('error', () => undefined);
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}
