import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceTextFile } from '@sallyport/files';
import { type OutputChunk, rolldown } from 'rolldown';
import { parse } from 'smol-toml';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configDirectories } from './config-directory.fixture.js';
import { loadSettings } from './load-settings.js';
import { moveOwnSettings } from './settings-writer.js';

const directoryWith = configDirectories(onTestFinished);

/** Bundles the writer once, so that a process of it starts in a tenth of a second. */
async function bundleWriter(): Promise<string> {
  const bundle = await rolldown({
    input: join(import.meta.dirname, 'config-writer.fixture.ts'),
    platform: 'node',
    resolve: { conditionNames: ['@sallyport/source', 'node', 'import', 'default'] },
  });
  const { output } = await bundle.generate({ format: 'esm', codeSplitting: false });
  await bundle.close();
  const file = join(await directoryWith(), 'writer.mjs');
  await writeFile(file, output.find((chunk): chunk is OutputChunk => chunk.type === 'chunk')?.code ?? '');
  return file;
}

function startWriter(writer: string, ...words: string[]): ChildProcess {
  return spawn(process.execPath, [writer, ...words], { env: {}, stdio: ['ignore', 'ignore', 'pipe'] });
}

async function exitOf(child: ChildProcess): Promise<unknown> {
  const errors: string[] = [];
  child.stderr?.on('data', (chunk) => errors.push(String(chunk)));
  const [code] = await once(child, 'close');
  return code === 0 ? 0 : errors.join('');
}

describe('processes that change the settings at the same time', () => {
  it('lose nothing: 20 processes, 10 keys, 10 items of one list', async () => {
    const writer = await bundleWriter();
    const directory = await directoryWith('# mine\n[agent]\nstate.path = "/x" # kept\n');
    const keys = ['http.bind.port', 'http.client.port', 'mqtt.bind.port', 'mqtt.client.port', 'pki.bind.port'];
    const more = [
      'pki.public.bind.port',
      'registry.bind.port',
      'c8y.proxy.bind.port',
      'c8y.proxy.client.port',
      'mqtt.external.bind.port',
    ];
    const setters = [...keys, ...more].map((key, index) =>
      startWriter(writer, directory, 'set', key, String(9000 + index)),
    );
    const adders = Array.from({ length: 10 }, (_, index) =>
      startWriter(writer, directory, 'add', 'pki.hostnames', `h${index}`),
    );
    expect(await Promise.all([...setters, ...adders].map(exitOf))).toEqual(Array(20).fill(0));
    const text = await readFile(join(directory, 'tedge.toml'), 'utf8');
    expect(text).toContain('# mine\n[agent]\nstate.path = "/x" # kept\n');
    expect(parse(text)).toEqual({
      agent: { state: { path: '/x' } },
      http: { bind: { port: 9000 }, client: { port: 9001 } },
      mqtt: { bind: { port: 9002 }, client: { port: 9003 }, external: { bind: { port: 9009 } } },
    });
    expect(parse(await readFile(join(directory, 'mappers/c8y/mapper.toml'), 'utf8'))).toEqual({
      cloud_type: 'c8y',
      proxy: { bind: { port: 9007 }, client: { port: 9008 } },
    });
    expect(parse(await readFile(join(directory, 'sallyport.toml'), 'utf8'))).toEqual({
      pki: {
        bind: { port: 9004 },
        public: { bind: { port: 9005 } },
        hostnames: ['h0', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'h7', 'h8', 'h9'],
      },
      registry: { bind: { port: 9006 } },
    });
    expect(await readdir(directory)).toEqual(['mappers', 'sallyport.toml', 'tedge.toml']);
    expect(await readdir(join(directory, 'mappers/c8y'))).toEqual(['mapper.toml']);
  });

  it('leave the old or the new settings, whole, and nothing in the way, at whatever step they are killed', async () => {
    const writer = await bundleWriter();
    const directory = await directoryWith('[http.bind]\nport = 1\n');
    for (const step of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const before = await readFile(join(directory, 'tedge.toml'), 'utf8');
      await killAtStep(step, directory, startWriter(writer, directory, 'set', 'http.bind.port', String(step)));
      const after = await readFile(join(directory, 'tedge.toml'), 'utf8');
      expect([before, `[http.bind]\nport = ${step}\n`]).toContain(after);
    }
    expect(await exitOf(startWriter(writer, directory, 'set', 'http.bind.port', '77'))).toBe(0);
    expect(await readFile(join(directory, 'tedge.toml'), 'utf8')).toBe('[http.bind]\nport = 77\n');
    expect(await readdir(directory)).toEqual(['tedge.toml']);
  });

  it('lose nothing and break no pair when one is killed, at whatever step, while it splits a file from before', async () => {
    const writer = await bundleWriter();
    for (const step of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) {
      const directory = await directoryWith('[mqtt.bind]\ncert_file = "/c"\nkey_file = "/k"\nport = 1\n');
      await killAtStep(step, directory, startWriter(writer, directory, 'set', 'mqtt.bind.ca_path', '/ca'));
      const { settings } = await loadSettings({ configDir: directory, env: {}, cwd: '/' });
      const found = [settings.get('mqtt.bind.cert_file'), settings.get('mqtt.bind.key_file')];
      expect([...found, settings.get('mqtt.bind.port')]).toEqual(['/c', '/k', 1]);
      expect(await exitOf(startWriter(writer, directory, 'set', 'mqtt.bind.ca_path', '/ca'))).toBe(0);
      expect(await readFile(join(directory, 'tedge.toml'), 'utf8')).toBe('[mqtt.bind]\nport = 1\n');
      expect((await readdir(directory)).toSorted()).toEqual([
        'sallyport.toml',
        'tedge.toml',
        'tedge.toml.before-sallyport',
      ]);
    }
  });

  it('are read whole while a setting moves from one file to the other', async () => {
    const directory = await directoryWith();
    const path = (name: string) => join(directory, name);
    const own = '[mqtt.bind]\ncert_file = "/c"\n';
    await writeFile(path('tedge.toml'), own);
    const moves = new AbortController();
    const reading = (async () => {
      let readings = 0;
      for (; !moves.signal.aborted || readings === 0; readings += 1) {
        const { settings } = await loadSettings({ configDir: directory, env: {}, cwd: '/' });
        expect(settings.get('mqtt.bind.cert_file')).toBe('/c');
      }
      return readings;
    })();
    for (let move = 0; move < 40; move += 1) {
      await moveOwnSettings(directory);
      await replaceTextFile(path('tedge.toml'), own);
      await replaceTextFile(path('sallyport.toml'), '');
    }
    moves.abort();
    expect(await reading).toBeGreaterThan(0);
  });

  /** Kills a process when it has made so many changes in a directory, or lets it end when it makes fewer. */
  async function killAtStep(step: number, directory: string, child: ChildProcess): Promise<void> {
    let steps = 0;
    const watcher = watch(directory, () => {
      steps += 1;
      if (steps === step) child.kill('SIGKILL');
    });
    await once(child, 'close');
    watcher.close();
  }
});
