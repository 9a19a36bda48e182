import 'reflect-metadata';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { connect, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { Controller, type INestMicroservice, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Entrances } from '@sallyport/entrance';
import { mqttRpcServer, RpcHandler } from '@sallyport/mqtt';
import { type AdmissionRequest, admitPeer } from '@sallyport/protocol';
import { closeTestContext, openTestContext, type TestContext } from '@sallyport/runtime/testing';
import { type TemporaryDirectory, TestCa, type TestCertificate, temporaryDirectory } from '@sallyport/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FileTransferEntrance } from './file-transfer-entrance.js';

/** Admits every peer, as the device registry does on first contact. */
@Controller()
class ObligingRegistry {
  @RpcHandler(admitPeer)
  admit({ deviceId, kind }: AdmissionRequest) {
    return { outcome: 'admitted' as const, deviceId, kind };
  }
}

@Module({ controllers: [ObligingRegistry] })
class ObligingRegistryModule {}

describe('the agent', () => {
  let ca: TestCa;
  let server: TestCertificate;
  let child: TestCertificate;
  let directory: TemporaryDirectory;
  let context: TestContext;
  let entrances: Entrances;
  let registry: INestMicroservice;

  beforeAll(async () => {
    ca = await TestCa.create();
    server = await ca.issue({ commonName: 'agent', subjectAltNames: ['DNS:localhost'] });
    child = await ca.issue({ commonName: 'child01' });
  });

  afterAll(() => ca[Symbol.asyncDispose]());

  beforeEach(async () => {
    directory = temporaryDirectory();
    context = await openTestContext(directory.path);
    entrances = new Entrances(context);
    await entrances.onModuleInit();
    const strategy = mqttRpcServer(context.mqttConnection);
    registry = await NestFactory.createMicroservice(ObligingRegistryModule, { strategy, logger: false });
    await registry.listen();
  });

  afterEach(async () => {
    await entrances.beforeApplicationShutdown();
    await registry.close();
    await closeTestContext(context);
    await directory.remove();
  });

  /** Starts the agent with these settings, and file transfer on a free port unless they say otherwise. */
  async function start(settings: readonly string[] = []): Promise<void> {
    const own = [`data.path = "${directory.file('data')}"`, 'http.bind.port = 0'];
    const kept = own.filter((line) => !settings.some((other) => other.split(' ')[0] === line.split(' ')[0]));
    await writeFile(directory.file('tedge.toml'), [...kept, ...settings, ''].join('\n'));
    await context.reloadSettings();
    await new FileTransferEntrance(context, entrances).onApplicationBootstrap();
  }

  const mutual = () => [
    `http.cert_path = "${server.certPath}"`,
    `http.key_path = "${server.keyPath}"`,
    `http.ca_path = "${ca.certPath}"`,
  ];
  const port = () => entrances.describe()[0]?.port ?? 0;
  const url = (path: string) => `http://127.0.0.1:${port()}/te/v1/files/${path}`;

  /** The answer that child01 gets. */
  async function ask(method: string, path: string, body = ''): Promise<{ status: number | undefined; text: string }> {
    const { certPem: cert, keyPem: key } = child;
    const options = { host: 'localhost', port: port(), method, path: `/te/v1/files/${path}`, agent: false };
    const reply = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
      const sent = request({ ...options, ca: ca.certPem, cert, key }, resolve);
      sent.once('error', reject);
      sent.end(body);
    });
    return { status: reply.statusCode, text: await text(reply) };
  }

  it('keeps files in data.path/file-transfer', async () => {
    await start();
    expect((await fetch(url('a/foo'), { method: 'PUT', body: 'content' })).status).toBe(201);
    expect(await readFile(directory.file('data', 'file-transfer', 'a', 'foo'), 'utf8')).toBe('content');
    expect(entrances.describe()).toMatchObject([{ name: 'file transfer', group: 'http', level: 'plain' }]);
  });

  it('opens nothing on a child device', async () => {
    await start(['mqtt.device_topic_id = "device/child01//"']);
    expect(entrances.describe()).toEqual([]);
  });

  it('does not start when its port is taken, and names the address', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    const taken = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(start([`http.bind.port = ${taken}`])).rejects.toThrow(`cannot use 127.0.0.1 port ${taken}`);
    other.close();
  });

  it('holds uploads to http.max_upload_size, http.storage_quota and http.storage_entries', async () => {
    await start(['http.max_upload_size = 10000', 'http.storage_quota = 16384', 'http.storage_entries = 3']);
    const put = async (path: string, size: number) =>
      (await fetch(url(path), { method: 'PUT', body: Buffer.alloc(size) })).status;
    expect([await put('a', 10_001), await put('a', 8192), await put('b', 8193), await put('b', 4096)]).toEqual([
      413, 201, 507, 201,
    ]);
    expect([await put('c', 0), await put('d', 0)]).toEqual([201, 507]);
  });

  it.each([
    ['nobody else', [], [0o750, 0o750, 0o640]],
    ['whom http.storage_umask lets', ['http.storage_umask = "022"'], [0o755, 0o755, 0o644]],
  ])('lets other users of the machine read what is stored: %s', async (_, settings, modes) => {
    await start(settings);
    await fetch(url('dir/foo'), { method: 'PUT', body: 'x' });
    const paths = ['.', 'dir', 'dir/foo'].map((path) => directory.file('data', 'file-transfer', path));
    expect(await Promise.all(paths.map(async (path) => (await stat(path)).mode & 0o777))).toEqual(modes);
  });

  it('holds a device to its share, also for what it stored before a restart', async () => {
    await mkdir(directory.file('data', 'file-transfer'), { recursive: true });
    await writeFile(directory.file('data', 'file-transfer', 'earlier'), Buffer.alloc(4096));
    const journal = directory.file('data', 'file-transfer-owners.jsonl');
    await writeFile(journal, '["earlier","device:child01"]\n');
    await start([...mutual(), 'http.storage_quota = 16384', 'http.storage_share = 50']);
    expect((await ask('PUT', 'foo', 'x')).status).toBe(201);
    expect(await readFile(journal, 'utf8')).toBe('["earlier","device:child01"]\n["foo","device:child01"]\n');
    expect(await ask('PUT', 'bar', 'x')).toEqual({
      status: 507,
      text: '"bar" does not fit: it needs 4096 bytes, and you hold 8192 of the 8192 that one client may. Delete files of yours, or raise http.storage_share.',
    });
  });

  it('refuses a file that is too large before curl sends it, and takes a large one that is not', async () => {
    await start(['http.max_upload_size = 4000000']);
    const put = async (size: number) => {
      await writeFile(directory.file('large.bin'), Buffer.alloc(size));
      const written = '%{http_code} %{size_upload}';
      const args = ['-sS', '-T', directory.file('large.bin'), '-o', '/dev/null', '-w', written, url('large.bin')];
      return (await promisify(execFile)('curl', ['-H', 'Expect: 100-continue', ...args])).stdout;
    };
    expect([await put(4_000_001), await put(4_000_000)]).toEqual(['413 0', '201 4000000']);
  });

  it('counts requests by method and class of status, and the bytes of files', async () => {
    await start();
    const answers = async (method: string, path: string, body?: Uint8Array<ArrayBuffer>) => {
      const reply = await fetch(url(path), { method, ...(body === undefined ? {} : { body }) });
      await reply.arrayBuffer();
    };
    await answers('PUT', 'small', new Uint8Array(10));
    await answers('PUT', 'large', new Uint8Array(3_000_000));
    for (const method of ['GET', 'HEAD', 'GET']) for (const path of ['small', 'large']) await answers(method, path);
    for (const method of ['GET', 'DELETE', 'MKCOL', 'PROPFIND']) await answers(method, 'missing');
    const counted = async () => (await context.metrics.metrics()).match(/^sallyport_file_transfer_.*$/gm)?.sort();
    await expect
      .poll(counted)
      .toEqual([
        'sallyport_file_transfer_received_bytes_total 3000010',
        'sallyport_file_transfer_requests_total{method="DELETE",status="2xx"} 1',
        'sallyport_file_transfer_requests_total{method="GET",status="2xx"} 4',
        'sallyport_file_transfer_requests_total{method="GET",status="4xx"} 1',
        'sallyport_file_transfer_requests_total{method="HEAD",status="2xx"} 2',
        'sallyport_file_transfer_requests_total{method="PUT",status="2xx"} 2',
        'sallyport_file_transfer_requests_total{method="other",status="4xx"} 2',
        'sallyport_file_transfer_sent_bytes_total 6000020',
      ]);
  });

  it('counts a download that breaks off as cut, and an upload that is refused as refused', async () => {
    await start(['http.max_upload_size = 100']);
    await writeFile(directory.file('data', 'file-transfer', 'large'), Buffer.alloc(64 * 1024 * 1024));
    for (const head of ['GET /te/v1/files/large HTTP/1.1', 'PUT /te/v1/files/foo HTTP/1.1\r\nContent-Length: 100000']) {
      const socket = connect(port(), '127.0.0.1');
      socket.write(`${head}\r\nHost: x\r\n\r\n`);
      await once(socket, 'data');
      socket.destroy();
    }
    const counted = async () =>
      (await context.metrics.metrics()).match(/^sallyport_file_transfer_requests.*$/gm)?.sort();
    await expect
      .poll(counted)
      .toEqual([
        'sallyport_file_transfer_requests_total{method="GET",status="cut"} 1',
        'sallyport_file_transfer_requests_total{method="PUT",status="4xx"} 1',
      ]);
  });

  it('serves firmware that is linked from data.path/cache', async () => {
    await mkdir(directory.file('data', 'cache'), { recursive: true });
    await mkdir(directory.file('data', 'file-transfer', 'child01', 'firmware_update'), { recursive: true });
    await writeFile(directory.file('data', 'cache', 'abc'), 'firmware');
    await symlink(
      directory.file('data', 'cache', 'abc'),
      directory.file('data', 'file-transfer', 'child01', 'firmware_update', 'abc'),
    );
    await start();
    expect(await (await fetch(url('child01/firmware_update/abc'))).text()).toBe('firmware');
  });

  it('lets a device with a certificate use every path by default', async () => {
    await start(mutual());
    expect(await ask('PUT', 'child02/foo', 'x')).toEqual({ status: 201, text: '' });
    expect(await ask('GET', 'child02/foo')).toEqual({ status: 200, text: 'x' });
  });

  it('lets a device use only paths below its own id with http.authorization = own', async () => {
    await start([...mutual(), 'http.authorization = "own"']);
    expect(await ask('PUT', 'child01/foo', 'x')).toEqual({ status: 201, text: '' });
    expect(await ask('GET', 'child01/foo')).toEqual({ status: 200, text: 'x' });
    expect((await ask('PUT', 'child02/foo', 'x')).status).toBe(403);
    expect((await ask('GET', 'child02/foo')).status).toBe(403);
  });

  it.each(['plain', 'server'])(
    'does not start with http.authorization = own at level %s, and says what to do',
    async (level) => {
      const settings = level === 'plain' ? [] : mutual().slice(0, 2);
      await expect(start([...settings, 'http.authorization = "own"'])).rejects.toThrow(
        `http.authorization is "own", which needs to know every client by its certificate, but the security level of http.* is "${level}". Set http.cert_path, http.key_path and http.ca_path, or: sallyport config unset http.authorization`,
      );
      expect(entrances.describe()).toEqual([]);
    },
  );

  describe('whose settings change', () => {
    /** Writes the settings anew, and reloads. */
    async function reload(settings: readonly string[]): Promise<void> {
      const own = [`data.path = "${directory.file('data')}"`, 'http.bind.port = 0'];
      await writeFile(directory.file('tedge.toml'), [...own, ...settings, ''].join('\n'));
      await entrances.reload();
    }

    it('takes over http.authorization with a reload, and back', async () => {
      await start(mutual());
      expect((await ask('PUT', 'child02/foo', 'x')).status).toBe(201);
      await reload([...mutual(), 'http.authorization = "own"']);
      expect((await ask('GET', 'child02/foo')).status).toBe(403);
      await reload(mutual());
      expect((await ask('GET', 'child02/foo')).status).toBe(200);
    });

    it('refuses http.authorization = own where nobody has to say who they are, and lets in who it let in before', async () => {
      await start();
      await expect(reload(['http.authorization = "own"'])).rejects.toThrow(
        'http.authorization is "own", which needs to know every client by its certificate',
      );
      expect(entrances.describe()).toMatchObject([{ level: 'plain', isOpen: true }]);
      expect((await fetch(url('a'), { method: 'PUT', body: 'x' })).status).toBe(201);
    });

    it('is shut when the level goes with http.authorization = own still set', async () => {
      await start([...mutual(), 'http.authorization = "own"']);
      const lowered = ['http.authorization = "own"'];
      await writeFile(
        directory.file('tedge.toml'),
        [`data.path = "${directory.file('data')}"`, 'http.bind.port = 0', ...lowered, ''].join('\n'),
      );
      await entrances.reload({ lowerTo: 'plain' });
      expect(entrances.describe()).toMatchObject([{ isOpen: false }]);
    });

    it.each([
      ['http.max_upload_size = 1', 413],
      ['http.storage_quota = 4096', 507],
      ['http.storage_entries = 1', 507],
    ])('takes over %s with a reload, and its end', async (limit, status) => {
      await start();
      const put = async (name: string) => (await fetch(url(name), { method: 'PUT', body: 'xx' })).status;
      expect(await put('a')).toBe(201);
      await reload([limit]);
      expect(await put('b')).toBe(status);
      await reload([]);
      expect(await put('b')).toBe(201);
    });
  });
});
