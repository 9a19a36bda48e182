import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun, spawnNginx, temporaryDirectory } from '@sallyport/testkit';
import { answers, type FakeCloud, fakeCloud } from '@sallyport/testkit/fake-cloud';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type Ran, runSallyport } from '../fixtures/run-sallyport.fixture.js';

const user = { name: 't12345/device_gateway01', password: 'of-the-proxy' };
let cloud: FakeCloud;
let cwd: string;

/** nginx is the proxy: it takes `/c8y` away and shows the credentials of the device, as the Cumulocity proxy does. */
beforeEach(async () => {
  cloud = await fakeCloud({ devices: ['gateway01'], deviceUsers: [user] });
  onTestFinished(() => cloud[Symbol.asyncDispose]());
  cloud.tenant.ensure('gateway01', { name: 'gateway01' });
  const authorization = Buffer.from(`${user.name}:${user.password}`).toString('base64');
  const nginx = await spawnNginx(
    [
      'server { listen 127.0.0.1:$port; client_max_body_size 0; proxy_request_buffering off;',
      `location /c8y/ { proxy_pass ${cloud.api.url}/; proxy_set_header Authorization "Basic ${authorization}";`,
      'proxy_http_version 1.1; proxy_ssl_name localhost; } }',
    ].join('\n'),
  );
  onTestFinished(() => nginx.stop());
  const directory = temporaryDirectory('sallyport-upload-');
  onTestFinished(() => directory.remove());
  cwd = directory.path;
  const lines = [
    'device.id = "gateway01"',
    'c8y.proxy.client.host = "127.0.0.1"',
    `c8y.proxy.client.port = ${nginx.port}`,
  ];
  await writeFile(join(cwd, 'tedge.toml'), `${lines.join('\n')}\n`);
});

function upload(...words: readonly string[]): Promise<Ran> {
  return runSallyport(['upload', 'c8y', ...words, '--config-dir', cwd], {
    cwd,
    now: () => new Date('2026-05-01T00:00:00Z'),
  });
}

describe('sallyport upload c8y', () => {
  it('attaches the file to a new event of the device, and prints the id of the event', async () => {
    await writeFile(join(cwd, 'some.log'), randomBytes(3_000_000));
    const sha256 = (await mustRun('sha256sum', [join(cwd, 'some.log')])).split(' ')[0];
    const { exitCode, stdout } = await upload('--file', 'some.log', '--json', '{"c8y_Extra":{"a":1}}');
    const [event] = cloud.tenant.events;

    expect([exitCode, stdout]).toEqual([0, `${event?.id}\n`]);
    expect(event).toEqual({
      id: event?.id,
      source: { id: cloud.tenant.objectIdByExternalId.get('c8y_Serial/gateway01') },
      type: 'tedge_UploadedFile',
      text: 'Uploaded file: "some.log"',
      time: '2026-05-01T00:00:00.000Z',
      c8y_Extra: { a: 1 },
    });
    expect(cloud.tenant.binaries).toEqual([
      { eventId: event?.id, name: 'some.log', type: 'text/plain', bytes: 3_000_000, sha256 },
    ]);
  });

  it('uses what it is told: type, text, media type, and a child device', async () => {
    const child = cloud.tenant.ensure('gateway01:device:child01', { name: 'child01' });
    await writeFile(join(cwd, 'odd "name"'), 'content');
    const words = ['--type', 'dump', '--text', 'A dump', '--mime-type', 'application/x-dump'];
    const { exitCode } = await upload('--file', 'odd "name"', ...words, '--device-id', 'gateway01:device:child01');

    expect(exitCode).toBe(0);
    expect(cloud.tenant.events.at(-1)).toMatchObject({ type: 'dump', text: 'A dump', source: { id: child.id } });
    expect(cloud.tenant.binaries.at(-1)).toMatchObject({
      name: 'odd %22name%22',
      type: 'application/x-dump',
      bytes: 7,
    });
  });

  it('prints JSON when asked', async () => {
    await writeFile(join(cwd, 'a'), 'a');
    const { stdout } = await upload('--file', 'a', '--json');

    expect(JSON.parse(stdout)).toEqual({ eventId: cloud.tenant.events[0]?.id });
  });

  it('says which request the cloud refused, and makes no event for a device it does not know', async () => {
    await writeFile(join(cwd, 'a'), 'a');
    const { exitCode, stderr } = await upload('--file', 'a', '--device-id', 'unknown01');

    expect(exitCode).toBe(1);
    expect(stderr).toContain('GET /c8y/identity/externalIds/c8y_Serial/unknown01: HTTP client error: 404 Not Found');
    expect(cloud.tenant.events).toEqual([]);
  });

  it('says that the answer is not of Cumulocity', async () => {
    cloud.api.answer('/identity/externalIds/c8y_Serial/gateway01', answers.status(200, '<html>'));
    await writeFile(join(cwd, 'a'), 'a');

    expect((await upload('--file', 'a')).stderr).toContain('Check c8y.http');
  });

  it('asks nobody when there is no such file', async () => {
    const { exitCode, stderr } = await upload('--file', 'none');

    expect([exitCode, cloud.api.requests]).toEqual([1, []]);
    expect(stderr).toContain('no such file or directory');
  });

  it.each([[['--json', '{broken']], [['--mime-type', 'text']], [[]]])('takes %j for a wrong call', async (words) => {
    await writeFile(join(cwd, 'a'), 'a');
    const file = words.length === 0 ? [] : ['--file', 'a'];

    expect((await upload(...file, ...words)).exitCode).toBe(2);
  });
});
