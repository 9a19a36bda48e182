import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { get as httpGet, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { EntranceLevels } from '@sallyport/config';
import { closeTestContext, openTestContext, type TestContext } from '@sallyport/runtime/testing';
import { freePorts, type TemporaryDirectory, TestCa, temporaryDirectory } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EntranceController } from './entrance.controller.js';
import type { EntranceOptions } from './entrance.js';
import { Entrances } from './entrances.js';
import { configuredEntrance } from './security-source.js';

describe('an entrance without a default port', () => {
  let directory: TemporaryDirectory;
  let context: TestContext;
  let entrances: Entrances;
  let port: number;
  /** Requests that are answered when a test says so. */
  let waiting: ServerResponse[];

  beforeEach(async () => {
    directory = temporaryDirectory();
    [port = 0] = await freePorts(1);
    waiting = [];
    context = await openTestContext(directory.path, 'pki-signer');
    entrances = new Entrances(context);
    await entrances.onModuleInit();
  });

  afterEach(async () => {
    await entrances.beforeApplicationShutdown();
    await closeTestContext(context);
    await directory.remove();
  });

  const configure = (keys: Readonly<Record<string, string | number>>) => {
    const lines = Object.entries(keys).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
    return writeFile(directory.file('tedge.toml'), [...lines, ''].join('\n'));
  };

  async function open(options: Partial<EntranceOptions> = {}): Promise<void> {
    await context.reloadSettings();
    await entrances.open({
      ...configuredEntrance(context, { group: 'pki.admin' }),
      mutualOnly: false,
      handler: { http: (request, response) => serve(request, response) },
      ...options,
    });
  }

  function serve({ url }: IncomingMessage, response: ServerResponse): void {
    if (url === '/slow') waiting.push(response.writeHead(200));
    else response.end('hello');
  }

  const ask = async (path = '/') => {
    const [response] = await once(httpGet({ port, path, agent: false }), 'response');
    return text(response);
  };

  it('opens on a reload when its port has been set', async () => {
    await open();
    expect(entrances.describe()).toEqual([]);

    await configure({ 'pki.admin.bind.port': port });

    expect(await entrances.reload()).toMatchObject([{ group: 'pki.admin', port, isOpen: true }]);
    expect(await ask()).toBe('hello');
  });

  it('closes on a reload when its port is not set any more, without a word of a restart', async () => {
    await configure({ 'pki.admin.bind.port': port });
    await open();
    await configure({ 'pki.admin.bind.address': '127.0.0.2' });

    expect(await new EntranceController(entrances).reload({})).toEqual({ entrances: [] });
    await expect(ask()).rejects.toThrow('ECONNREFUSED');
  });

  it('lets a request that is under way finish when it closes', async () => {
    await configure({ 'pki.admin.bind.port': port });
    await open();
    const slow = ask('/slow');
    while (waiting.length === 0) await ask();
    await configure({});
    const reloaded = entrances.reload();
    await expect.poll(() => ask().catch(String)).toContain('ECONNREFUSED');
    for (const response of waiting) response.end('late');

    expect(await slow).toBe('late');
    await reloaded;
  });

  it('opens no lower than it was when its port is set again', async () => {
    await using ca = await TestCa.create();
    const { certPath, keyPath } = await ca.issue({ commonName: 'signer', subjectAltNames: ['DNS:localhost'] });
    const pair = { 'pki.admin.cert_path': certPath, 'pki.admin.key_path': keyPath };
    await configure({ 'pki.admin.bind.port': port, ...pair });
    await open();

    await configure({});
    await entrances.reload();

    expect(await new EntranceLevels(context.settings, 'pki.admin').read()).toMatchObject({ level: 'server' });
    await configure({ 'pki.admin.bind.port': port });
    await expect(entrances.reload()).rejects.toThrow('It opens no lower than it was.');
    await expect(ask()).rejects.toThrow('ECONNREFUSED');
  });

  it('does not keep the entrances after it from a reload when it fails', async () => {
    await open();
    const other = { handler: { http: (_: IncomingMessage, response: ServerResponse) => void response.end() } };
    await configure({ 'http.bind.port': 0, 'registry.bind.port': 0 });
    await context.reloadSettings();
    await entrances.open({ ...configuredEntrance(context, { group: 'http' }), ...other });
    await entrances.open({ ...configuredEntrance(context, { group: 'registry' }), mutualOnly: false, ...other });
    await configure({
      'pki.admin.bind.port': port,
      'pki.admin.cert_path': '/none',
      'http.bind.port': port,
      'registry.cert_path': '/none',
      'registry.bind.port': 0,
    });

    await expect(entrances.reload()).rejects.toMatchObject({
      type: 'config-invalid',
      message: expect.stringMatching(/pki\.admin\.key_path.*\n.*registry\.key_path/s),
    });

    expect(entrances.describe()).toMatchObject([
      { group: 'pki.admin', isOpen: false },
      { group: 'http', port, isOpen: true },
      { group: 'registry', isOpen: true },
    ]);
  });
});
