import 'reflect-metadata';
import { rename, writeFile } from 'node:fs/promises';
import { RawConnection, TestCa, type TestCertificate } from '@sallyport/testkit';
import { answers, type FakeCloud, fakeCloud } from '@sallyport/testkit/fake-cloud';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ProxySite } from './proxy-site.fixture.js';

let cloud: FakeCloud;
let ca: TestCa;
let server: TestCertificate;
let child: TestCertificate;
let site: ProxySite;

beforeAll(async () => {
  cloud = await fakeCloud();
  ca = await TestCa.create();
  server = await ca.issue({ commonName: 'c8y-proxy', subjectAltNames: ['DNS:localhost', 'IP:127.0.0.1'] });
  child = await ca.issue({ commonName: 'child01' });
});
afterAll(async () => {
  await cloud[Symbol.asyncDispose]();
  await ca[Symbol.asyncDispose]();
});
afterEach(() => site[Symbol.asyncDispose]());

const pair = () => [`c8y.proxy.cert_path = "${server.certPath}"`, `c8y.proxy.key_path = "${server.keyPath}"`];
const mutual = () => [...pair(), `c8y.proxy.ca_path = "${ca.certPath}"`];
const path = '/c8y/inventory/managedObjects';

async function open(lines: readonly string[] = [], own: readonly string[] = []): Promise<void> {
  site = await (await ProxySite.open(cloud, lines, own)).start();
}

describe('the entrance of the Cumulocity proxy', () => {
  it('lets a device with a certificate in at level mutual', async () => {
    await open(mutual());

    expect(site.describe()).toMatchObject({ group: 'c8y.proxy', level: 'mutual' });
    expect((await site.ask(path, { client: child })).status).toBe(200);
  });

  it('sends plain HTTP to https where it speaks TLS', async () => {
    await open(pair());

    expect(await site.ask(path)).toMatchObject({
      status: 307,
      headers: { location: `https://127.0.0.1:${site.port}${path}` },
    });
  });

  it('ends what a device has open when it is revoked, also at the cloud', async () => {
    await open(mutual());
    cloud.api.answer('/endless', answers.endlessBody(), { times: 1 });
    const tls = { rejectUnauthorized: false, cert: child.certPem, key: child.keyPem };
    await using client = await RawConnection.open({ port: site.port, tls });
    client.send('GET /c8y/endless HTTP/1.1\r\nHost: a\r\n\r\n');
    await expect.poll(() => client.socket.bytesRead).toBeGreaterThan(0);
    await site.announce('child01', 'revoked');

    await expect.poll(() => client.isClosed).toBe(true);
    expect(await cloud.api.requestsTo('/endless').at(-1)?.answered).toBe('cut');
  });

  it('answers a request that is under way when the service stops, and says that the connection ends', async () => {
    await open();
    cloud.api.answer('/slow', answers.late(500, answers.status(200, 'late')), { times: 1 });
    await using client = await RawConnection.open({ port: site.port });
    client.send('GET /c8y/slow HTTP/1.1\r\nHost: a\r\n\r\n');
    await expect.poll(() => cloud.api.requestsTo('/slow').length).toBe(1);
    const stopped = site.entrances.beforeApplicationShutdown();
    const response = await client.response();
    await stopped;

    expect([response.status, response.body.toString(), response.headers['connection']]).toEqual([200, 'late', 'close']);
  });
});

describe('profiles', () => {
  const plant2 = (more: readonly string[] = []) => [
    'c8y.profiles.plant2.proxy.bind.port = 0',
    'c8y.profiles.plant2.url = "localhost"',
    `c8y.profiles.plant2.http = "localhost:${cloud.api.port}"`,
    `c8y.profiles.plant2.root_cert_path = "${cloud.caPath}"`,
    'c8y.profiles.plant2.bridge.topic_prefix = "c8y-plant2"',
    ...more,
  ];

  it('have an entrance, a tenant and a token each', async () => {
    await open(plant2(), ['cloud.connections = ["c8y", "c8y@plant2"]']);
    const prefixes: string[] = [];
    site.answerToken = (prefix) => {
      prefixes.push(prefix);
      return `71,${cloud.tokens.issue(prefix)}`;
    };

    expect([(await site.ask(path)).status, (await site.ask(path, { profile: 'plant2' })).status]).toEqual([200, 200]);
    expect(prefixes).toEqual(['c8y', 'c8y-plant2']);
    const bearer = cloud.api
      .requestsTo('/inventory/managedObjects')
      .at(-1)
      ?.header('authorization')
      ?.slice('Bearer '.length);
    expect(cloud.tokens.deviceOf(bearer ?? '')).toBe('c8y-plant2');
  });

  it('come and go with the connections at a reload', async () => {
    await open([], ['cloud.connections = []']);
    expect(site.entrances.describe()).toEqual([]);

    await site.configure(plant2(), ['cloud.connections = ["c8y@plant2"]']);
    await site.entrances.reload();
    expect((await site.ask(path, { profile: 'plant2' })).status).toBe(200);

    await site.configure(plant2(), ['cloud.connections = []']);
    expect(await site.entrances.reload()).toEqual([]);
  });
});

describe('rules of the site', () => {
  const rules = ['[[rule]]', 'names = ["child01"]', 'methods = ["GET"]', 'paths = ["/inventory"]', ''];

  async function openWith(lines: readonly string[], settings: readonly string[] = mutual()): Promise<string> {
    site = await ProxySite.open(cloud);
    const file = site.directory.file('proxy-rules.toml');
    await writeFile(file, lines.join('\n'));
    await site.configure(settings, [`c8y.proxy.rules_path = "${file}"`]);
    return file;
  }

  /** At once: a file that is just being written may be looked at while it is empty, and then allows nothing. */
  async function replace(file: string, text: string): Promise<void> {
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  }

  it('allow what they name, and nothing else', async () => {
    await openWith(rules);
    await site.start();
    const seen = cloud.api.requests.length;

    expect((await site.ask(path, { client: child })).status).toBe(200);
    const refused = await site.ask(path, { client: child, method: 'POST', body: '{}' });
    expect(refused.status).toBe(403);
    expect(JSON.parse(refused.text)).toMatchObject({
      reason: 'no-rule-allows-it',
      detail: expect.stringContaining('No rule of this site allows device child01 to POST this path.'),
    });
    expect((await site.ask('/c8y/inventory/%2e%2e/alarm/alarms', { client: child })).status).toBe(403);
    const other = await ca.issue({ commonName: 'child02' });
    expect((await site.ask(path, { client: other })).status).toBe(403);
    expect(cloud.api.requests.length).toBe(seen + 1);
  });

  it.each(['X-HTTP-Method', 'x-http-method-override', 'X-Method-Override'])(
    'hold for the method that %s asks for',
    async (name) => {
      await openWith(rules);
      await site.start();
      const seen = cloud.api.requests.length;
      const refused = await site.ask(path, { client: child, headers: { [name]: 'delete' } });

      expect([refused.status, cloud.api.requests.length]).toEqual([403, seen]);
      expect(JSON.parse(refused.text).detail).toContain('to GET and DELETE this path');
      expect((await site.ask(path, { client: child, headers: { [name]: 'GET' } })).status).toBe(200);
    },
  );

  it('hold for redirects too', async () => {
    await openWith(rules);
    await site.start();
    cloud.api.answer('/inventory/here', answers.redirect('/alarm/alarms'), { times: 1 });

    expect(await site.ask('/c8y/inventory/here', { client: child })).toMatchObject({
      status: 302,
      headers: { location: '/alarm/alarms' },
    });
  });

  it('stop the start when they are wrong, with file and line', async () => {
    await openWith(['[[rule]]', 'names = ["child01"]', 'paths = ["inventory"]']);

    await expect(site.start()).rejects.toThrow(
      'proxy-rules.toml, line 3: paths holds "inventory": a path begins with "/".',
    );
  });

  it('stop the start when their file is missing', async () => {
    site = await ProxySite.open(cloud, [], ['c8y.proxy.rules_path = "/nowhere/rules.toml"']);

    await expect(site.start()).rejects.toThrow(
      'c8y.proxy.rules_path: the file /nowhere/rules.toml cannot be read (ENOENT).',
    );
  });

  it('apply again when their file changes, and stay when it becomes wrong', async () => {
    const file = await openWith(['']);
    await site.start();
    expect((await site.ask(path, { client: child })).status).toBe(403);

    await replace(file, rules.join('\n'));
    await expect.poll(async () => (await site.ask(path, { client: child })).status, { timeout: 10_000 }).toBe(200);
    await replace(file, 'wrong');
    await site.entrances.reload().catch(() => undefined);
    expect((await site.ask(path, { client: child })).status).toBe(200);
  });
});
