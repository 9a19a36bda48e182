import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { TestCa, temporaryDirectory } from '@sallyport/testkit';
import { answers, digestOf, type FakeCloud, fakeCloud } from '@sallyport/testkit/fake-cloud';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Ran, runSallyport, type World } from '../fixtures/run-sallyport.fixture.js';

/** The API of the fake cloud stands for a service of the site that speaks HTTPS. */
let cloud: FakeCloud;
beforeAll(async () => {
  cloud = await fakeCloud();
});
afterAll(() => cloud[Symbol.asyncDispose]());

interface Place {
  readonly cwd: string;
  run(words: readonly string[], world?: Partial<World>): Promise<Ran>;
}

/** A directory whose settings name the fake cloud as file transfer service, and as proxy. */
async function place(more: readonly string[] = [], { port = cloud.api.port, host = 'localhost' } = {}): Promise<Place> {
  const directory = temporaryDirectory('sallyport-http-');
  onTestFinished(() => directory.remove());
  const cwd = directory.path;
  const lines = [
    ...[`http.client.host = "${host}"`, `http.client.port = ${port}`, 'http.cert_path = "/of/the/service"'],
    ...['http.key_path = "/of/the/service.key"', `c8y.proxy.client.host = "${host}"`],
    ...[
      `c8y.proxy.client.port = ${port}`,
      'c8y.proxy.cert_path = "/of/the/proxy"',
      'c8y.proxy.key_path = "/of/the/key"',
    ],
    `mqtt.client.auth.ca_file = "${cloud.caPath}"`,
    ...more,
  ];
  await writeFile(join(cwd, 'tedge.toml'), `${lines.join('\n')}\n`);
  const run = (words: readonly string[], world: Partial<World> = {}): Promise<Ran> =>
    runSallyport(['http', ...words, '--config-dir', cwd], { cwd, ...world });
  return { cwd, run };
}

describe('sallyport http', () => {
  it('prints the body of the answer and nothing else', async () => {
    cloud.api.answer('/tedge/file-transfer/hello', answers.status(200, 'hello'));
    const { run } = await place();

    expect(await run(['get', '/tedge/file-transfer/hello'])).toEqual({ exitCode: 0, stdout: 'hello', stderr: '' });
  });

  it('finds a service on localhost that has only an IPv6 address', async () => {
    cloud.api.answer('/tedge/file-transfer/hello', answers.status(200, 'hello'));
    const relay = createServer((socket) => {
      const behind = connect({ host: '127.0.0.1', port: cloud.api.port });
      socket.pipe(behind).pipe(socket);
      for (const end of [socket, behind]) end.on('error', () => end.destroy());
    });
    onTestFinished(() => void relay.close());
    await once(relay.listen(0, '::1'), 'listening');
    const address = relay.address();
    const { run } = await place([], { port: typeof address === 'object' ? (address?.port ?? 0) : 0 });

    expect(await run(['get', '/tedge/file-transfer/hello'])).toMatchObject({ exitCode: 0, stdout: 'hello' });
  });

  it('tells the status and then the body of a refusal on stderr, and ends with 1', async () => {
    cloud.api.answer('/te/v1/entities/none', answers.status(404, '{"error":"no such entity"}'));
    const { run } = await place();

    expect(await run(['get', '/te/v1/entities/none'])).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'HTTP client error: 404 Not Found\n{"error":"no such entity"}\n',
    });
  });

  it.each([
    ['post', 'POST', ['{"a":1}'], 'application/json'],
    ['put', 'PUT', ['--data', 'text', '--content-type', 'text/plain'], 'text/plain'],
    ['patch', 'PATCH', ['--data={"b":2}', '--accept-type', 'application/json'], 'application/json'],
  ] as const)('sends content with %s', async (name, method, words, type) => {
    cloud.api.answer('/te/v1/sent', answers.status(201));
    const { run } = await place();
    const { exitCode } = await run([name, '/te/v1/sent?a=%2F%2e%2e', ...words]);
    const seen = cloud.api.requests.at(-1);

    expect(exitCode).toBe(0);
    expect([seen?.method, seen?.target, seen?.header('content-type')]).toEqual([
      method,
      '/te/v1/sent?a=%2F%2e%2e',
      type,
    ]);
    expect(seen?.framing).toBe('content-length');
  });

  it('leaves the path as it was typed', async () => {
    cloud.api.answer('/c8y/inventory/%2e%2e/a%2Fb', answers.status(200, 'found'));
    const { run } = await place();

    expect(await run(['get', '/c8y/inventory/%2e%2e/a%2Fb'])).toMatchObject({ exitCode: 0, stdout: 'found' });
  });

  it('deletes', async () => {
    cloud.api.answer('/te/v1/entities/child', answers.status(204));
    const { run } = await place();

    expect(await run(['delete', '/te/v1/entities/child'])).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    expect(cloud.api.requests.at(-1)).toMatchObject({ method: 'DELETE', framing: 'none' });
  });

  it('sends a file whole, with a type by its name', async () => {
    const { cwd, run } = await place();
    const content = randomBytes(3_000_000);
    await writeFile(join(cwd, 'sent.tar'), content);
    cloud.api.answer('/tedge/file-transfer/sent.tar', answers.status(201));
    expect(await run(['put', '/tedge/file-transfer/sent.tar', '--file', 'sent.tar'])).toMatchObject({ exitCode: 0 });
    const seen = cloud.api.requests.at(-1);

    expect(seen?.header('content-type')).toBe('application/x-tar');
    expect(seen?.body).toEqual({ bytes: 3_000_000, sha256: createHash('sha256').update(content).digest('hex') });
  });

  it('sends an empty file', async () => {
    const { cwd, run } = await place();
    await writeFile(join(cwd, 'empty'), '');
    cloud.api.answer('/tedge/file-transfer/empty', answers.status(201));
    await run(['put', '/tedge/file-transfer/empty', '--file', 'empty']);

    expect(cloud.api.requests.at(-1)?.header('content-length')).toBe('0');
  });

  it('passes a large answer on byte for byte', async () => {
    cloud.api.answer('/tedge/file-transfer/large', answers.download(5_000_000, 'chunked'));
    const { run } = await place();
    const { stdout } = await run(['get', '/tedge/file-transfer/large']);

    expect(createHash('sha256').update(stdout).digest('hex')).toBe(digestOf(5_000_000));
  });

  it('says that an answer ended too early, and ends with 1', async () => {
    cloud.api.answer('/te/v1/half', answers.halfResponse());
    const { run } = await place();

    expect(await run(['get', '/te/v1/half'])).toMatchObject({
      exitCode: 1,
      stderr: 'Error: The answer ended too early, after 8 bytes.\nTry again; the log of the service says why.\n',
    });
  });

  it.each(['/inventory/managedObjects', 'c8y/x', '/c8yx', 'https://example.com/'])(
    'refuses %s: not local',
    async (uri) => {
      const { run } = await place();
      const { exitCode, stderr } = await run(['get', uri]);

      expect(exitCode).toBe(1);
      expect(stderr).toContain(`Not a local HTTP uri: ${uri}`);
    },
  );

  it.each([
    [['post', '/c8y/x']],
    [['post', '/c8y/x', 'a', '--data', 'b']],
    [['put', '/c8y/x', '--data', 'a', '--file', 'b']],
    [['put', '/c8y/x', 'a', '--content-type', 'text/plain\r\nX: y']],
  ])('takes %j for a wrong call', async (words) => {
    const { run } = await place();

    expect((await run(words)).exitCode).toBe(2);
  });

  it('says which settings are wrong when nothing listens', async () => {
    const { run } = await place([], { port: 1 });

    expect(await run(['get', '/c8y/tenant/currentTenant'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('Cannot talk to https://localhost:1: nothing listens there.'),
    });
  });

  it('refuses a service whose CA it does not know', async () => {
    await using other = await TestCa.create();
    const { cwd, run } = await place();
    await writeFile(join(cwd, 'other.pem'), other.certPem);
    const toml = ['http.client.host = "localhost"', `http.client.port = ${cloud.api.port}`, 'http.cert_path = "/a"'];
    await writeFile(join(cwd, 'tedge.toml'), [...toml, 'http.key_path = "/b"', ''].join('\n'));

    expect((await run(['get', '/te/v1/x'])).stderr).toContain('its CA is not trusted here');
  });

  it('names the alert when the service wants a certificate, and none is set', async () => {
    const { run } = await place([], { port: cloud.mqtt.port });
    const { stderr } = await run(['get', '/te/v1/x']);

    expect(stderr).toContain('certificate_required');
    expect(stderr).toContain('http.client.auth.cert_file');
  });

  it('blanks control characters of a hostile answer', async () => {
    cloud.api.answer('/te/v1/hostile', answers.status(500, '\u001b[2Jgone'));
    const { run } = await place();

    expect((await run(['get', '/te/v1/hostile'])).stderr).toBe(
      'HTTP server error: 500 Internal Server Error\n [2Jgone\n',
    );
  });

  it('follows a redirect to HTTPS on the same host, and no other', async () => {
    cloud.api.answer('/te/v1/moved', answers.redirect('/te/v1/there', 307));
    cloud.api.answer('/te/v1/there', answers.status(200, 'there'));
    cloud.api.answer('/te/v1/away', answers.redirect('https://example.com/', 307));
    const { run } = await place();

    expect(await run(['put', '/te/v1/moved', 'content'])).toMatchObject({ exitCode: 0, stdout: 'there' });
    expect(cloud.api.requests.at(-1)?.body.bytes).toBe('content'.length);
    expect((await run(['get', '/te/v1/away'])).stderr).toContain('HTTP error: 307 Temporary Redirect');
  });
});
