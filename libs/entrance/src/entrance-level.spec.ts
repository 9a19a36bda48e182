import 'reflect-metadata';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { get as httpGet } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { EntranceDescription, SecurityLevel } from '@sallyport/protocol';
import { openLog } from '@sallyport/runtime';
import { closeTestContext, openTestContext, TestContext } from '@sallyport/runtime/testing';
import { type TemporaryDirectory, TestCa, type TestCertificate, temporaryDirectory } from '@sallyport/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Entrances } from './entrances.js';
import { configuredSource } from './security-source.js';

/** One life of a service with an entrance, from its start to its end. */
interface Life {
  readonly entrances: Entrances;
  readonly context: TestContext;
  readonly lines: string[];
  end(): Promise<void>;
}

describe('an entrance that was secured', () => {
  let ca: TestCa;
  let server: TestCertificate;
  let directory: TemporaryDirectory;
  let life: Life | undefined;

  beforeAll(async () => {
    ca = await TestCa.create();
    server = await ca.issue({ commonName: 'agent', subjectAltNames: ['DNS:localhost'] });
  });

  afterAll(() => ca[Symbol.asyncDispose]());

  beforeEach(() => {
    directory = temporaryDirectory();
  });

  afterEach(async () => {
    await life?.end();
    life = undefined;
    await directory.remove();
  });

  /** Writes the settings a level needs, and no other. */
  const configure = (level: SecurityLevel) => {
    const pair = [`cert_path = "${server.certPath}"`, `key_path = "${server.keyPath}"`];
    const lines = { plain: [], server: pair, mutual: [...pair, `ca_path = "${ca.certPath}"`] }[level];
    return writeFile(directory.file('tedge.toml'), ['[http]', 'bind.port = 0', ...lines, ''].join('\n'));
  };

  /** Ends the life before, if there is one, and starts the service anew on the same directories. */
  async function start(options: { mutualOnly?: boolean } = {}): Promise<Life> {
    await life?.end();
    const lines: string[] = [];
    const opened = await openTestContext(directory.path);
    const log = openLog({ destination: { write: (line) => lines.push(line) } });
    const readSettings = () => opened.reloadSettings();
    const context = new TestContext({ ...opened, settings: opened.settings, readSettings, log });
    const entrances = new Entrances(context);
    const end = async () => {
      await entrances.beforeApplicationShutdown();
      await closeTestContext(opened);
    };
    life = { entrances, context, lines, end };
    const source = configuredSource(context, { group: 'http' });
    const handler = { http: (_: unknown, response: { end(text: string): unknown }) => void response.end('hello') };
    await entrances.open({ name: 'greetings', source, handler, ...options });
    return life;
  }

  const entranceOf = ({ entrances }: Life): EntranceDescription | undefined => entrances.describe()[0];
  const levelOf = (running: Life) => [entranceOf(running)?.isOpen, entranceOf(running)?.level];

  async function startAt(level: SecurityLevel): Promise<Life> {
    await configure(level);
    return start();
  }

  it.each([
    ['mutual', 'plain', 'http.cert_path, http.key_path, http.ca_path', 'sallyport secure plain'],
    ['mutual', 'server', 'http.ca_path', 'sallyport secure server'],
    ['server', 'plain', 'http.cert_path, http.key_path', 'sallyport secure plain'],
  ] as const)('at level %s stays shut when its settings amount to %s at the next start', async (...row) => {
    const [before, after, missing, remedy] = row;
    await startAt(before);
    const running = await startAt(after);
    expect(entranceOf(running)).toMatchObject({ isOpen: false, level: before });
    expect(entranceOf(running)?.shutReason).toContain(`not set now: ${missing}.`);
    expect(entranceOf(running)?.shutReason).toContain(`with: sallyport secure ${before}.`);
    expect(entranceOf(running)?.shutReason).toContain(`on purpose: ${remedy}`);
    expect(running.lines.filter((line) => line.includes('entrance stays shut'))).toHaveLength(1);
  });

  it('is not ready while it is shut, and says why', async () => {
    await startAt('mutual');
    const running = await startAt('plain');
    const { ready, faults } = await running.context.readiness.report();
    expect(ready).toBe(false);
    expect(faults).toEqual({ 'entrance http': expect.stringContaining('http.cert_path') });
  });

  it('says when it was last at that level', async () => {
    const dayBefore = new Date(Date.now() - 86_400_000).toISOString();
    await startAt('mutual');
    const note = JSON.stringify({ level: 'mutual', inForceAt: dayBefore });
    await writeFile(join(directory.path, 'doors/http.json'), note);
    await rm(join(directory.path, 'data/doors'), { recursive: true });
    expect(entranceOf(await startAt('plain'))?.shutReason).toContain(`last put in force ${dayBefore}`);
  });

  it('takes no connection while it is shut', async () => {
    const [port] = [entranceOf(await startAt('mutual'))?.port ?? 0];
    await startAt('plain');
    await expect(connected(port)).resolves.toBe(false);
  });

  it('stays at its level when a running service reads lower settings, and the reload fails with the reason', async () => {
    const running = await startAt('mutual');
    await configure('plain');
    await expect(running.entrances.reload()).rejects.toMatchObject({
      type: 'config-invalid',
      message: expect.stringContaining('not set now: http.cert_path, http.key_path, http.ca_path'),
    });
    expect(levelOf(running)).toEqual([true, 'mutual']);
    expect((await running.context.readiness.report()).ready).toBe(true);
  });

  it('opens again when its settings are back', async () => {
    await startAt('mutual');
    const running = await startAt('plain');
    await configure('mutual');
    await running.entrances.reload();
    expect(levelOf(running)).toEqual([true, 'mutual']);
    expect((await running.context.readiness.report()).ready).toBe(true);
  });

  it.each(['plain', 'server'] as const)('goes down to %s when that is asked for, and starts there', async (level) => {
    const running = await startAt('mutual');
    await configure(level);
    await running.entrances.reload({ lowerTo: level });
    expect(levelOf(running)).toEqual([true, level]);
    expect(levelOf(await start())).toEqual([true, level]);
  });

  it('goes down when that is asked for after it stayed shut', async () => {
    await startAt('mutual');
    const running = await startAt('plain');
    await running.entrances.reload({ lowerTo: 'plain' });
    expect(levelOf(running)).toEqual([true, 'plain']);
    expect(await answered(entranceOf(running)?.port ?? 0)).toBe(200);
  });

  it('goes no lower than was asked for', async () => {
    const running = await startAt('mutual');
    await configure('plain');
    await expect(running.entrances.reload({ lowerTo: 'server' })).rejects.toThrow('http.cert_path');
    expect(levelOf(running)).toEqual([true, 'mutual']);
  });

  it('is as it was when a level that was asked for cannot be put in force', async () => {
    const running = await startAt('mutual');
    await writeFile(directory.file('tedge.toml'), `[http]\nbind.port = 0\ncert_path = "${server.certPath}"\n`);
    await expect(running.entrances.reload({ lowerTo: 'plain' })).rejects.toThrow('http.key_path');
    expect(levelOf(await startAt('plain'))).toEqual([false, 'mutual']);
  });

  it.each(['the configuration', 'the data'])(
    'stays shut also when %s directory is lost with the settings',
    async (lost) => {
      await startAt('mutual');
      await life?.end();
      life = undefined;
      const path = lost === 'the data' ? join(directory.path, 'data') : join(directory.path, 'doors');
      await rm(path, { recursive: true });
      expect(levelOf(await startAt('plain'))[0]).toBe(false);
    },
  );

  it('that is for administrators is shut without its settings as ever, and that is said', async () => {
    await configure('mutual');
    await start({ mutualOnly: true });
    await configure('plain');
    const running = await start({ mutualOnly: true });
    expect(entranceOf(running)).toMatchObject({ isOpen: false, shutReason: expect.stringContaining('http.ca_path') });
    await running.entrances.reload({ lowerTo: 'plain' });
    expect(entranceOf(running)).toMatchObject({ isOpen: false });
    expect(entranceOf(running)?.shutReason).toBeUndefined();
    expect((await running.context.readiness.report()).ready).toBe(true);
  });

  it('opens where its level can be remembered nowhere, and a warning says that', async () => {
    await mkdir(join(directory.path, 'data'));
    await writeFile(join(directory.path, 'doors'), '');
    await writeFile(join(directory.path, 'data/doors'), '');
    const running = await startAt('mutual');
    expect(levelOf(running)).toEqual([true, 'mutual']);
    expect(running.lines.filter((line) => line.includes('cannot be remembered'))).toHaveLength(1);
  });
});

describe('an entrance at its first start', () => {
  it.each(['plain', 'server'] as const)('has no level to hold to: %s', async (level) => {
    await using ca = await TestCa.create();
    const { certPath, keyPath } = await ca.issue({ commonName: 'agent', subjectAltNames: ['DNS:localhost'] });
    await using directory = temporaryDirectory();
    const pair = level === 'plain' ? [] : [`cert_path = "${certPath}"`, `key_path = "${keyPath}"`];
    await writeFile(directory.file('tedge.toml'), ['[http]', 'bind.port = 0', ...pair, ''].join('\n'));
    const context = await openTestContext(directory.path);
    const entrances = new Entrances(context);
    const source = configuredSource(context, { group: 'http' });
    await entrances.open({ name: 'greetings', source, handler: { http: (_, response) => response.end() } });
    expect(entrances.describe()).toMatchObject([{ isOpen: true, level }]);
    await entrances.beforeApplicationShutdown();
    await closeTestContext(context);
  });
});

function connected(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

function answered(port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = httpGet({ port, host: '127.0.0.1', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.once('error', reject);
  });
}
