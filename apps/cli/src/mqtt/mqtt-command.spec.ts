import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { freePort, runProgram, spawnMosquitto, TestCa, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Ran, runSallyport, type World } from '../fixtures/run-sallyport.fixture.js';

/** A device with these client settings, `key = value` below `mqtt.client`. */
async function device(lines: readonly string[]) {
  const directory = temporaryDirectory();
  onTestFinished(() => directory.remove());
  await writeFile(directory.file('tedge.toml'), ['[mqtt.client]', ...lines, ''].join('\n'));
  const run = (args: readonly string[], world: Partial<World> = {}) =>
    runSallyport(['--config-dir', directory.path, 'mqtt', ...args], { cwd: directory.path, ...world });
  return { directory, run };
}

async function plainBroker() {
  const broker = await spawnMosquitto();
  onTestFinished(() => broker.stop());
  return { broker, ...(await device([`port = ${broker.port}`])) };
}

/** A broker at level server or mutual, and the settings of a client that it lets in. */
async function secureBroker({ requireCertificate = false, name = 'DNS:localhost' } = {}) {
  const ca = await TestCa.create();
  onTestFinished(() => ca[Symbol.asyncDispose]());
  const server = await ca.issue({ commonName: 'broker', subjectAltNames: [name] });
  const client = await ca.issue({ commonName: 'client' });
  const tls = { certPath: server.certPath, keyPath: server.keyPath, caPath: ca.certPath };
  const broker = await spawnMosquitto({ tls, requireCertificate });
  onTestFinished(() => broker.stop());
  const place = ['host = "localhost"', `port = ${broker.port}`];
  const trusting = [...place, `auth.ca_file = "${ca.certPath}"`];
  const pair = [`auth.cert_file = "${client.certPath}"`, `auth.key_file = "${client.keyPath}"`];
  return { place, trusting, pair };
}

/** What a real client receives: one retained message. */
async function retainedAt(port: number, topic: string): Promise<string> {
  const { stdout } = await runProgram('mosquitto_sub', ['-p', String(port), '-t', topic, '-C', '1', '-W', '5']);
  return stdout;
}

/** A subscription that runs in the background. */
function subscribing(run: (args: readonly string[], world: Partial<World>) => Promise<Ran>, args: readonly string[]) {
  const interruption = new AbortController();
  const printed: string[] = [];
  const world = { signal: interruption.signal, onOutput: (text: string) => void printed.push(text) };
  const ended = run(['sub', ...args], world);
  return {
    ended,
    interrupt: () => interruption.abort(),
    printed: () => printed.join(''),
    /** Publishes until the subscription shows the message: the broker may not have granted it yet. */
    hears: async (publish: () => Promise<unknown>, text: string) =>
      waitFor(
        async () => {
          await publish();
          return printed.join('').includes(text);
        },
        { what: `the message ${text}` },
      ),
  };
}

/** A server that does this with each connection. */
async function serverThat(act: (socket: Socket) => void): Promise<number> {
  const server = createServer(act).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('mqtt pub', () => {
  it.each(['0', '1', '2'])('publishes a message with QoS %s', async (qos) => {
    const { broker, run } = await plainBroker();
    expect(await run(['pub', 'a/b', 'hello', '--qos', qos, '--retain'])).toEqual({
      exitCode: 0,
      stdout: '',
      stderr: '',
    });
    expect(await retainedAt(broker.port, 'a/b')).toBe('hello\n');
  });

  it('decodes a message that is given in base64', async () => {
    const { broker, run } = await plainBroker();
    expect((await run(['pub', 'a/b', 'aGVsbG8=', '--base64', '-r'])).exitCode).toBe(0);
    expect(await retainedAt(broker.port, 'a/b')).toBe('hello\n');
  });

  it('reaches a broker that shows a certificate of the CA in mqtt.client.auth.ca_file', async () => {
    const { trusting } = await secureBroker();
    expect((await (await device(trusting)).run(['pub', 'a/b', 'x'])).stderr).toBe('');
  });

  it('takes a certificate for localhost at a loopback address, which is the default', async () => {
    const { trusting } = await secureBroker();
    const lines = trusting.filter((line) => !line.startsWith('host'));
    expect((await (await device(lines)).run(['pub', 'a/b', 'x'])).stderr).toBe('');
  });

  it('shows the certificate of mqtt.client.auth to a broker that asks for one', async () => {
    const { trusting, pair } = await secureBroker({ requireCertificate: true });
    expect((await (await device([...trusting, ...pair])).run(['pub', 'a/b', 'x'])).stderr).toBe('');
  });

  it.each([
    [['a/+', 'x'], 'A topic to publish to has no wildcard'],
    [['', 'x'], 'is not empty'],
    [['a/b', 'x', '--qos', '3'], 'It is one of 0, 1, 2.'],
    [['a/b', '%', '--base64'], 'The message is no base64'],
    [['a/b'], 'needs <message>'],
  ])('refuses %j as a wrong call', async (args, text) => {
    const { exitCode, stderr } = await (await device([])).run(['pub', ...args]);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(text)]);
  });
});

describe('mqtt pub tells why it fails, and ends with exit code 1:', () => {
  const failure = async (lines: readonly string[]) => {
    const { exitCode, stderr } = await (await device(lines)).run(['pub', 'a/b', 'x']);
    expect(exitCode).toBe(1);
    return stderr;
  };

  it('nothing listens', async () => {
    const port = await freePort();
    expect(await failure([`port = ${port}`])).toBe(
      `Error: Cannot talk to mqtt://127.0.0.1:${port}: nothing listens there.\nCheck host and port, and that the service runs.\n`,
    );
  });

  it('another CA has signed the certificate of the broker', async () => {
    const { place } = await secureBroker();
    await using other = await TestCa.create();
    expect(await failure([...place, `auth.ca_file = "${other.certPath}"`])).toMatch(
      /^Error: The certificate of mqtts:\/\/localhost:\d+ was rejected: its CA is not trusted here.\nCheck mqtt.client.host and mqtt.client.port, and use the CA certificate of that site/,
    );
  });

  it('the certificate of the broker is for another name', async () => {
    const { trusting } = await secureBroker({ name: 'DNS:broker.example' });
    expect(await failure(trusting)).toContain('it is for another host name, not for localhost but for DNS:broker.exa');
  });

  it('the certificate of the broker has expired', async () => {
    await using ca = await TestCa.create();
    const server = await ca.issue({
      commonName: 'b',
      subjectAltNames: ['DNS:localhost'],
      notBefore: new Date(0),
      notAfter: new Date(1),
    });
    await using broker = await spawnMosquitto({ tls: server });
    const lines = ['host = "localhost"', `port = ${broker.port}`, `auth.ca_file = "${ca.certPath}"`];
    expect(await failure(lines)).toContain('was rejected: it has expired');
  });

  it('the broker wants a certificate, and none is set', async () => {
    const { trusting } = await secureBroker({ requireCertificate: true });
    expect(await failure(trusting)).toMatch(/ended the handshake: it wants a client certificate, and none was sent/);
  });

  it.each([
    ['cert_file', 'key_file'],
    ['key_file', 'cert_file'],
  ])('%s is set and %s is not', async (set, missing) => {
    const told = await failure([`auth.${set} = "/x.pem"`]);
    expect(told).toContain(`mqtt.client.auth.${missing} is not set`);
    expect(told).toContain(`Set mqtt.client.auth.${missing} too, or unset the other.`);
  });

  it('the port is for TLS, and no CA is set', async () => {
    const { place } = await secureBroker();
    expect(await failure(place)).toMatch(
      /^Error: The broker at mqtt:\/\/localhost:\d+ closed the connection before it answered.\nIf that port is for TLS, set mqtt.client.auth.ca_file.\n$/,
    );
  });

  it.each([
    [4, 'user name or password is wrong.'],
    [5, 'this client is not allowed.'],
  ])('the broker answers the CONNECT with %i', async (code, text) => {
    const port = await serverThat((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(Buffer.from([0x20, 2, 0, code])));
    });
    expect(await failure([`port = ${port}`])).toContain(`refuses the connection: ${text}`);
  });

  it('the broker goes away before it acknowledges the message', async () => {
    const port = await serverThat((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => {
        socket.write(Buffer.from([0x20, 2, 0, 0]));
        socket.once('data', () => socket.destroy());
      });
    });
    expect(await failure([`port = ${port}`])).toBe(
      `Error: The broker at mqtt://127.0.0.1:${port} closed the connection before it acknowledged the message.\nIt may not let this client publish there: its log says why.\n`,
    );
  });

  it('a CA file is missing, with the setting that names it', async () => {
    expect(await failure(['port = 8884', 'auth.ca_file = "/nowhere/ca.crt"'])).toBe(
      'Error: mqtt.client.auth.ca_file: /nowhere/ca.crt cannot be read (ENOENT).\nCorrect the setting or the file.\n',
    );
  });

  it('the files of certificate and key are exchanged', async () => {
    const { trusting, pair } = await secureBroker({ requireCertificate: true });
    const [cert = '', key = ''] = pair;
    const exchanged = [cert.replace('cert_file', 'key_file'), key.replace('key_file', 'cert_file')];
    expect(await failure([...trusting, ...exchanged])).toContain('doctor" says which.');
  });

  it('a CA directory holds no CA: it does not go on without TLS', async () => {
    const { directory } = await device([]);
    expect(await failure([`auth.ca_dir = "${directory.path}"`])).toContain(
      `mqtt.client.auth.ca_dir: ${directory.path} has no file *.pem, *.cer or *.crt.`,
    );
  });
});

describe('mqtt sub', () => {
  it('prints topic and message, as thin-edge.io does, and ends after so many', async () => {
    const { run } = await plainBroker();
    for (const topic of ['a/1', 'a/2']) await run(['pub', topic, `to ${topic}`, '--retain']);
    expect(await run(['sub', 'a/+', '--count', '2'])).toEqual({
      exitCode: 0,
      stdout: '[a/1] to a/1\n[a/2] to a/2\n',
      stderr: '',
    });
  });

  it.each([
    [['--no-topic'], 'hi\n'],
    [['--base64'], '[a] aGk=\n'],
    [['--json'], '{"topic":"a","payload":"hi","qos":0,"retained":true}\n'],
    [['--json', '--qos', '1'], '{"topic":"a","payload":"hi","qos":1,"retained":true}\n'],
  ])('with %j prints %j', async (args, line) => {
    const { run } = await plainBroker();
    await run(['pub', 'a', 'hi', '--retain']);
    expect((await run(['sub', 'a', '--count', '1', ...args])).stdout).toBe(line);
  });

  it('prints a message that is no text in base64, and says so', async () => {
    const { run } = await plainBroker();
    await run(['pub', 'a', '//4=', '--base64', '--retain']);
    expect((await run(['sub', 'a', '--count', '1'])).stdout).toBe('[a] <ERR=NON-UTF8> //4=\n');
  });

  it('lets no message control the terminal, and changes nothing for programs', async () => {
    const { run } = await plainBroker();
    await run(['pub', 'a', '\u001b]0;owned\u0007', '--retain']);
    const once = ['sub', 'a', '--count', '1'];
    expect((await run(once, { isTerminal: true })).stdout).toBe('[a]  ]0;owned \n');
    expect((await run(once)).stdout).toBe('[a] \u001b]0;owned\u0007\n');
  });

  it('ends after --duration', async () => {
    const { run } = await plainBroker();
    expect(await run(['sub', 'a', '--duration', '1s'])).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  });

  it('with --retained-only ends at the first message that the broker had not kept', async () => {
    const { run } = await plainBroker();
    await run(['pub', 'a', 'kept', '--retain']);
    const subscription = subscribing(run, ['a', '--retained-only']);
    await waitFor(() => subscription.printed() !== '', { what: 'the retained message' });
    await run(['pub', 'a', 'new']);
    expect(await subscription.ended).toEqual({ exitCode: 0, stdout: '[a] kept\n', stderr: '' });
  });

  it('ends at Ctrl-C without an error', async () => {
    const { run } = await plainBroker();
    const subscription = subscribing(run, ['a']);
    await subscription.hears(() => run(['pub', 'a', 'x']), '[a] x');
    subscription.interrupt();
    expect(await subscription.ended).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it('connects again when the broker has gone, and says both', async () => {
    const { broker, run } = await plainBroker();
    const subscription = subscribing(run, ['a']);
    await subscription.hears(() => run(['pub', 'a', 'before']), 'before');
    await broker.kill();
    await using _again = await spawnMosquitto({ port: broker.port });
    await subscription.hears(() => run(['pub', 'a', 'after']), 'after');
    subscription.interrupt();
    const { exitCode, stderr } = await subscription.ended;
    expect([exitCode, stderr]).toEqual([
      0,
      expect.stringMatching(/Trying again\.\n(?:Warning: .*\n)*Warning: Connected; messages to a come again\.\n$/),
    ]);
  });

  it('ends at Ctrl-C while the broker is down', async () => {
    const { run } = await device([`port = ${await freePort()}`]);
    const subscription = subscribing(run, ['a']);
    subscription.interrupt();
    expect((await subscription.ended).exitCode).toBe(0);
  });

  it('fails when there was no broker for the whole --duration', async () => {
    const { run } = await device([`port = ${await freePort()}`]);
    const { exitCode, stderr } = await run(['sub', 'a', '--duration', '1s']);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('nothing listens there')]);
  });

  it('does not try again when the broker refuses this client', async () => {
    const { trusting } = await secureBroker({ requireCertificate: true });
    const { exitCode, stderr } = await (await device(trusting)).run(['sub', 'a']);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('it wants a client certificate')]);
  });

  it.each(['a+', 'a/#/b', '#a', ''])('refuses the filter %j as a wrong call', async (filter) => {
    expect((await (await device([])).run(['sub', filter])).exitCode).toBe(2);
  });
});

describe('a port that does not fit', () => {
  it.each([
    [['port = 1883', 'auth.ca_file = "/nowhere/ca.crt"'], 'Warning: Connecting with TLS to port 1883'],
    [['port = 8883', 'host = "127.0.0.9"'], 'Warning: Connecting without TLS to port 8883'],
  ])('%j is warned of', async (lines, text) => {
    expect((await (await device(lines)).run(['pub', 'a', 'x'])).stderr).toContain(text);
  });
});
