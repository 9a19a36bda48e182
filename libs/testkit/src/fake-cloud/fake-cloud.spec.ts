import { createPrivateKey, randomBytes, sign, X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { RawConnection } from '../raw-connection.js';
import { publishPacket, RawMqtt, type RawMqttSession } from '../raw-mqtt.js';
import { mustRun, runProgram } from '../run-program.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { TestCa, type TestCertificate } from '../test-ca.js';
import { TestClock } from '../test-clock.js';
import { waitFor } from '../wait-for.js';
import { answers, digestOf, type FakeCloud, fakeCloud } from './index.js';

const session: RawMqttSession = { clientId: 'gateway01' };

async function connect(
  cloud: FakeCloud,
  certificate: TestCertificate,
  { port = cloud.mqtt.port, as = session } = {},
): Promise<RawMqtt> {
  const ca = await readFile(cloud.caPath);
  const tls = { ca, cert: certificate.chainPem, key: certificate.keyPem, servername: 'localhost' };
  return RawMqtt.open({ port, tls }, as);
}

/** Connects and collects `<topic> <payload>` of everything on this filter. */
async function subscriber(client: RawMqtt, filter: string): Promise<string[]> {
  const came: string[] = [];
  client.onMessage = ({ topic, payload }) => came.push(`${topic} ${payload}`);
  await client.subscribe(filter, 1);
  return came;
}

function say(client: RawMqtt, topic: string, payload = ''): void {
  client.write([publishPacket({ topic, payload: Buffer.from(payload), packetId: 1 })]);
}

async function tokenOf(client: RawMqtt): Promise<string> {
  const came = await subscriber(client, 's/dat');
  say(client, 's/uat');
  return (await waitFor(() => came[0])).replace('s/dat 71,', '');
}

/** Status and body, as curl got them; `000` when there was no answer. */
async function curl(cloud: FakeCloud, path: string, args: readonly string[] = []): Promise<string> {
  const always = ['-sS', '--max-time', '10', '--cacert', cloud.caPath, '-w', '%{http_code}'];
  const { stdout } = await runProgram('curl', [...always, ...args, `${cloud.api.url}${path}`]);
  return `${stdout.slice(-3)} ${stdout.slice(0, -3)}`;
}

const bearer = (token: string): string[] => ['-H', `Authorization: Bearer ${token}`];
const operator = ({ user }: FakeCloud): string[] => ['-u', `${user.name}:${user.password}`];

/** As thin-edge's `cert create` makes it: a CA certificate that is the device's own. */
function selfSigned(commonName: string): Promise<TestCa> {
  return TestCa.create({ commonName, extensions: ['basicConstraints=critical,CA:TRUE'] });
}

describe('the fake cloud over MQTT', () => {
  let cloud: FakeCloud;
  let certificate: TestCertificate;
  beforeAll(async () => {
    cloud = await fakeCloud({ devices: ['gateway01', 'gateway02'] });
    certificate = await cloud.deviceCa.issue({ commonName: 'gateway01' });
  });
  afterAll(() => cloud[Symbol.asyncDispose]());

  it('answers s/uat with a token that the API accepts until it is revoked', async () => {
    await using client = await connect(cloud, certificate);
    const token = await tokenOf(client);

    expect(await curl(cloud, '/tenant/currentTenant', bearer(token))).toBe(
      '200 {"name":"t12345","domainName":"localhost"}',
    );
    cloud.tokens.revokeAll();
    expect(await curl(cloud, '/tenant/currentTenant', bearer(token))).toMatch(/^401 .*security\/Unauthorized/);
  });

  it('creates devices and services from 100 and 102, and answers 123 with 124 and the id', async () => {
    await using client = await connect(cloud, certificate);
    const came = await subscriber(client, 's/ds');
    say(client, 's/us', '100,gateway01,thin-edge.io\n102,gateway01:device:main:service:agent,service,agent,up');
    say(client, 's/us', '123');

    const answer = await waitFor(() => came[0]);
    const id = answer.replace('s/ds 124,', '');
    expect(cloud.tenant.managedObjects.get(id)).toMatchObject({ name: 'gateway01', type: 'thin-edge.io' });
    expect(cloud.tenant.objectIdByExternalId.has('c8y_Serial/gateway01:device:main:service:agent')).toBe(true);
  });

  it('keeps two devices apart, and refuses one on the port of the other', async () => {
    const other = await cloud.deviceCa.issue({ commonName: 'gateway02' });
    const { port } = cloud.mqttOf('gateway02');
    await using first = await connect(cloud, certificate);
    await using second = await connect(cloud, other, { port, as: { clientId: 'gateway02' } });
    await using stranger = await connect(cloud, certificate, { port, as: { clientId: 'stranger' } });
    const [atFirst, atSecond] = [await subscriber(first, 's/ds'), await subscriber(second, 's/ds')];
    const atStranger = await subscriber(stranger, 's/ds');

    cloud.mqttOf('gateway02').send('s/ds', '510,gateway02');
    await waitFor(() => atSecond.length > 0);
    cloud.mqtt.send('s/ds', '510,gateway01');
    await waitFor(() => atFirst.length > 0);

    expect([atFirst, atSecond, atStranger]).toEqual([['s/ds 510,gateway01'], ['s/ds 510,gateway02'], []]);
  });

  it('refuses a device it does not trust in the handshake, and admits it as soon as its CA is trusted', async () => {
    await using own = await selfSigned('gateway01');
    await expect(
      connect(cloud, own.certificate).then((client) => client.ended),
      'before',
    ).rejects.toThrow();
    await cloud.trusted.trust(own.certPem);
    await using client = await connect(cloud, own.certificate);

    expect(await client.subscribe('s/ds', 1)).toBe(1);
  });

  it('trusts the next certificate of a device, and no more one that is taken away', async () => {
    await using first = await selfSigned('gateway01');
    await using second = await selfSigned('gateway01');
    await cloud.trusted.trust(first.certPem);
    await connect(cloud, first.certificate).then((client) => client.disconnect());
    const { fingerprint } = await cloud.trusted.trust(second.certPem);
    await connect(cloud, second.certificate).then((client) => client.disconnect());
    await cloud.trusted.remove(fingerprint);

    await expect(connect(cloud, second.certificate)).rejects.toThrow();
    await using client = await connect(cloud, first.certificate);
    expect(client.isSessionPresent).toBe(false);
  });

  it('can be cut, hang, refuse, crash and come back on the same port', async () => {
    const open = (): Promise<RawMqtt> => connect(cloud, certificate);
    const cut = await open();
    cloud.mqtt.link.cut();
    await cut.ended;
    await cloud.mqtt.link.refuse();
    await expect(open()).rejects.toThrow('ECONNREFUSED');
    await cloud.mqtt.link.heal();
    const crashed = await open();
    await cloud.mqtt.kill();
    await crashed.ended;
    await expect(open()).rejects.toThrow();
    await cloud.mqtt.restart();

    await using client = await open();
    expect(await client.subscribe('s/ds', 1)).toBe(1);
  });

  it('comes back once when it is started again twice at once', async () => {
    await Promise.all([cloud.mqtt.restart(), cloud.mqtt.restart()]);
    await using client = await connect(cloud, certificate);

    expect(await client.subscribe('s/ds', 1)).toBe(1);
    expect(cloud.mqtt.log().match(/mosquitto version \S+ running/g)).toHaveLength(1);
  });

  it('swallows bytes while it hangs', async () => {
    await using client = await connect(cloud, certificate);
    const before = cloud.mqtt.messages.length;
    cloud.mqtt.link.hang();
    say(client, 's/us', '114,c8y_Restart');
    const { accepted } = cloud.mqtt.link;
    await using silent = await RawConnection.open({ port: cloud.mqtt.port });
    await waitFor(() => cloud.mqtt.link.accepted > accepted);
    await cloud.mqtt.link.heal();
    await client.ended;
    await waitFor(() => silent.isClosed);

    expect(cloud.mqtt.messages.slice(before)).toEqual([]);
  });
});

describe('what a fake cloud is told at its start', () => {
  it('lets tokens end by the clock of the test', async () => {
    const clock = new TestClock();
    await using cloud = await fakeCloud({ nowMs: clock.nowMs, tokenLifetimeSeconds: 60 });
    const token = cloud.tokens.issue('gateway01');
    clock.advance(59);
    expect(await curl(cloud, '/tenant/currentTenant', bearer(token))).toMatch(/^200/);
    clock.advance(1);
    expect(await curl(cloud, '/tenant/currentTenant', bearer(token))).toMatch(/^401/);
  });

  it('names the client that connected last, when no devices are declared', async () => {
    await using cloud = await fakeCloud();
    const certificate = await cloud.deviceCa.issue({ commonName: 'any01' });
    await using client = await connect(cloud, certificate, { as: { clientId: 'any01' } });
    const token = await tokenOf(client);

    expect(cloud.tokens.deviceOf(token)).toBe('any01');
  });

  it('takes devices with a password', async () => {
    const users = [{ name: 't12345/device_gateway01', password: 'secret-word' }];
    await using cloud = await fakeCloud({ devices: ['gateway01'], deviceUsers: users });
    const place = ['-h', 'localhost', '-p', String(cloud.mqtt.port), '--cafile', cloud.caPath];
    const publish = ['-t', 's/us', '-m', '100,gateway01,thin-edge.io', '-q', '1', '-u', users[0]?.name ?? ''];
    const wrong = await runProgram('mosquitto_pub', [...place, ...publish, '-P', 'wrong']);
    await mustRun('mosquitto_pub', [...place, ...publish, '-P', 'secret-word']);

    expect(wrong.stderr).toContain('not authorised');
    expect(cloud.mqtt.received('s/us')).toEqual(['100,gateway01,thin-edge.io']);
    expect(await curl(cloud, '/inventory/managedObjects', ['-u', 't12345/device_gateway01:secret-word'])).toMatch(
      /^200/,
    );
  });
});

describe('the API of the fake cloud', () => {
  let cloud: FakeCloud;
  beforeAll(async () => {
    cloud = await fakeCloud({ devices: ['gateway01'], needsProofOfPossession: true });
  });
  afterAll(() => cloud[Symbol.asyncDispose]());

  it('refuses who shows nothing, and records the request as it came', async () => {
    expect(await curl(cloud, '/inventory/a%2Fb?x=%zz&y', ['-H', 'X-Odd:  a  b '])).toMatch(/^401/);
    const seen = cloud.api.requests.at(-1);
    expect([seen?.method, seen?.target, seen?.header('x-odd'), await seen?.answered]).toEqual([
      'GET',
      '/inventory/a%2Fb?x=%zz&y',
      'a  b',
      401,
    ]);
  });

  it.each([
    ['content-length', []],
    ['chunked', ['-H', 'Transfer-Encoding: chunked']],
  ] as const)('takes the digest of a large upload that is framed by %s', async (framing, args) => {
    await using directory = temporaryDirectory();
    const path = directory.file('upload');
    await writeFile(path, randomBytes(5_000_000));
    const sha256 = (await mustRun('sha256sum', [path])).split(' ')[0];
    await curl(cloud, '/inventory/managedObjects/none', [...operator(cloud), '-T', path, ...args]);

    expect(cloud.api.requests.at(-1)).toMatchObject({ method: 'PUT', framing, body: { bytes: 5_000_000, sha256 } });
  });

  it.each(['content-length', 'chunked'] as const)('sends a large download framed by %s', async (framing) => {
    await using directory = temporaryDirectory();
    const path = directory.file('download');
    cloud.api.answer(`/download/${framing}`, answers.download(3_000_001, framing));
    const head = await curl(cloud, `/download/${framing}`, ['-o', path, '-D', '-']);
    const sha256 = (await mustRun('sha256sum', [path])).split(' ')[0];

    expect(head.toLowerCase()).toContain(
      framing === 'chunked' ? 'transfer-encoding: chunked' : 'content-length: 3000001',
    );
    expect(sha256).toBe(digestOf(3_000_001));
  });

  it('keeps an event and the file that is attached to it', async () => {
    await using directory = temporaryDirectory();
    const path = directory.file('log.txt');
    await writeFile(path, '0123456789'.repeat(200_000));
    const json = ['-H', 'Content-Type: application/json', '-d', '{"type":"log","text":"a log"}'];
    const created = await curl(cloud, '/event/events', [...operator(cloud), ...json]);
    const { id }: { id: string } = JSON.parse(created.slice(4));
    const upload = ['-F', 'object={"name":"log.txt"}', '-F', `file=@${path};type=text/x-log`];
    expect(await curl(cloud, `/event/events/${id}/binaries`, [...operator(cloud), ...upload])).toMatch(/^201/);
    const sha256 = (await mustRun('sha256sum', [path])).split(' ')[0];

    expect(cloud.tenant.binaries).toEqual([
      { eventId: id, name: 'log.txt', type: 'text/x-log', bytes: 2_000_000, sha256 },
    ]);
  });

  it('echoes over a WebSocket, and refuses one without a token', async () => {
    const ca = await readFile(cloud.caPath);
    const url = `wss://localhost:${cloud.api.port}/notification2/consumer/?token=a%20b`;
    const open = (token: string): WebSocket =>
      new WebSocket(url, { ca, headers: { Authorization: `Bearer ${token}` } });
    const refused = await new Promise((resolve) => open('none').on('error', (error) => resolve(error.message)));
    const webSocket = open(cloud.tokens.issue('gateway01'));
    const echo = await new Promise((resolve) => {
      webSocket.on('open', () => webSocket.send('hello'));
      webSocket.on('message', (message) => resolve(String(message)));
    });
    webSocket.terminate();

    expect([refused, echo]).toEqual(['Unexpected server response: 401', 'hello']);
    expect(cloud.api.requests.at(-1)?.target).toBe('/notification2/consumer/?token=a%20b');
  });

  it('issues a certificate for a one-time password once, and renews it for a token', async () => {
    await using directory = temporaryDirectory();
    const [key, body] = [directory.file('key.pem'), directory.file('body')];
    const request = ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key];
    const csr = await mustRun('openssl', [...request, '-subj', '/CN=gateway01']);
    await writeFile(body, csr.replace(/-----[^-]+-----\n/g, ''));
    cloud.tenant.oneTimePasswordByDevice.set('gateway01', 'once-only');
    const post = ['-H', 'Content-Type: application/pkcs10', '--data-binary', `@${body}`];
    const enrol = (password: string): Promise<string> =>
      curl(cloud, '/.well-known/est/simpleenroll', [...post, '-u', `gateway01:${password}`]);
    const renewed = bearer(cloud.tokens.issue('gateway01'));

    expect(await enrol('wrong')).toMatch(/^401/);
    const issued = await enrol('once-only');
    expect(await enrol('once-only')).toMatch(/^401/);
    expect(await curl(cloud, '/.well-known/est/simplereenroll', [...post, ...renewed])).toMatch(/^200/);
    const pkcs7 = `-----BEGIN PKCS7-----\n${issued.slice(4)}-----END PKCS7-----\n`;
    const printed = await mustRun('openssl', ['pkcs7', '-print_certs', '-noout'], { input: pkcs7 });
    expect(printed).toContain('subject=CN = gateway01');
  });

  it('trusts an uploaded certificate only after the proof of possession, and takes it once', async () => {
    await using own = await selfSigned('gateway01');
    const path = `/tenant/tenants/${cloud.tenantId}/trusted-certificates`;
    const json = (value: object): string[] => [
      ...operator(cloud),
      ...['-H', 'Content-Type: application/json', '-d', JSON.stringify(value)],
    ];
    const upload = {
      name: 'gateway01',
      certInPemFormat: own.certPem,
      autoRegistrationEnabled: true,
      status: 'ENABLED',
    };
    const created = await curl(cloud, path, json(upload));
    expect(created).toMatch(/^201/);
    expect(await curl(cloud, path, json(upload))).toMatch(/^409/);
    await expect(connect(cloud, own.certificate)).rejects.toThrow();

    const { fingerprint, proofOfPossessionUnsignedVerificationCode: code } = JSON.parse(created.slice(4));
    const signature = sign('sha256', Buffer.from(code), createPrivateKey(own.certificate.keyPem)).toString('base64');
    const prove = (proof: string): Promise<string> =>
      curl(cloud, `${path}-pop/${fingerprint}/pop`, json({ proofOfPossessionSignedVerificationCode: proof }));
    expect(await prove('AAAA')).toMatch(/^422/);
    expect(await prove(signature)).toMatch(/^200/);
    await using client = await connect(cloud, own.certificate);
    expect(client.isSessionPresent).toBe(false);
  });

  it.each(['unknown CA', 'expired', 'not yet valid', 'other name'] as const)(
    'shows a certificate that is wrong on both ports: %s',
    async (kind) => {
      await cloud.showCertificate(kind);
      const device = await cloud.deviceCa.issue({ commonName: 'gateway01' });
      expect(await curl(cloud, '/')).toBe('000 ');
      await expect(connect(cloud, device)).rejects.toThrow();
      await cloud.showCertificate('trusted');
      expect(await curl(cloud, '/')).toMatch(/^401/);
      await using client = await connect(cloud, device);
      expect(client.isSessionPresent).toBe(false);
    },
  );

  it.each([
    ['garbage', answers.garbage()],
    ['half a response', answers.halfResponse()],
    ['half a chunk', answers.halfChunk()],
    ['30,000 headers', answers.manyHeaders(30_000)],
    ['no answer, only the end', answers.cut()],
  ])('answers %s once when told so, and then as before', async (name, answer) => {
    const path = `/odd/${encodeURIComponent(name)}`;
    cloud.api.answer(path, answer, { times: 1 });
    const always = ['-sS', '--cacert', cloud.caPath, `${cloud.api.url}${path}`];

    expect((await runProgram('curl', always)).exitCode).toBeGreaterThan(0);
    expect(await curl(cloud, path)).toMatch(/^401/);
  });

  it('sends a body without an end as fast as it is read, and stops with the reader', async () => {
    cloud.api.answer('/endless', answers.endlessBody());
    const limited = ['-sS', '--cacert', cloud.caPath, '--max-time', '1', '-o', '/dev/null', '-w', '%{size_download}'];
    const { stdout } = await runProgram('curl', [...limited, `${cloud.api.url}/endless`]);
    await waitFor(() => cloud.api.link.open === 0);

    expect(Number(stdout)).toBeGreaterThan(1_000_000);
  });
});

it('makes certificates whose fingerprints OpenSSL agrees with', async () => {
  await using ca = await selfSigned('gateway01');
  await using cloud = await fakeCloud();
  const added = await cloud.trusted.trust(ca.certPem);
  const printed = await mustRun('openssl', ['x509', '-noout', '-fingerprint', '-sha1'], { input: ca.certPem });

  expect(new X509Certificate(ca.certPem).ca).toBe(true);
  expect(printed.trim().split('=')[1]?.replaceAll(':', '').toLowerCase()).toBe(added.fingerprint);
});
