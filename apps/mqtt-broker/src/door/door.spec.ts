import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { pause } from '@sallyport/concurrency';
import { RawConnection, RawMqtt, spawnMosquitto, TestCa, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { openDoorSite } from './door-site.fixture.js';

const versions = ['mqttv31', 'mqttv311', 'mqttv5'] as const;

describe('the door in front of Mosquitto', () => {
  it.each(versions)('passes the messages of clients of %s at level plain', async (version) => {
    await using site = await openDoorSite({ level: 'plain' });
    const words = ['-V', version, '-q', '1', '-t', 'te/a'];
    expect(await site.publish(...words, '-m', 'hello', '-r')).toMatchObject({ exitCode: 0, stderr: '' });
    expect((await site.subscribe(...words, '-C', '1')).stdout).toBe('hello\n');
  });

  it.each(versions)('passes the messages of clients of %s at level mutual', async (version) => {
    await using site = await openDoorSite({ level: 'mutual' });
    const words = ['-V', version, '-q', '1', '-t', 'te/device/child01/a', ...(await site.as('child01'))];
    expect(await site.publish(...words, '-m', 'hello', '-r')).toMatchObject({ exitCode: 0, stderr: '' });
    expect((await site.subscribe(...words, '-C', '1')).stdout).toBe('hello\n');
  });

  it('passes a retained message of a megabyte unharmed', async () => {
    await using site = await openDoorSite({ level: 'mutual' });
    const words = ['-q', '1', '-t', 'te/a', ...(await site.as('child01'))];
    const message = '0123456789abcdef'.repeat(65_536);
    await using source = await RawMqtt.open({ port: site.port, tls: await site.tls('child02') }, { clientId: 'a' });
    let acknowledged = false;
    source.onAcknowledged = () => {
      acknowledged = true;
    };
    source.write([retainedPublish('te/a', message)]);
    await waitFor(() => acknowledged);
    expect((await site.subscribe(...words, '-C', '1')).stdout).toBe(`${message}\n`);
  });

  it('passes everything also when it waits until the broker has saved', async () => {
    await using site = await openDoorSite({ level: 'mutual', waitsForSave: true });
    const words = ['-q', '1', '-t', 'te/a', ...(await site.as('child01'))];
    expect((await site.publish(...words, '-m', 'kept', '-r')).exitCode).toBe(0);
    expect((await site.subscribe(...words, '-C', '1')).stdout).toBe('kept\n');
  });

  it('tells the broker the identity that the certificate has proved, as the user name', async () => {
    await using site = await openDoorSite({ level: 'mutual', acl: ['pattern readwrite own/%u/#'] });
    const child01 = await site.as('child01');
    await site.publish('-t', 'own/child01/a', '-m', 'mine', '-r', '-q', '1', ...child01);
    await site.publish('-t', 'own/child02/a', '-m', 'not mine', '-r', '-q', '1', ...child01, '-u', 'child02');
    expect((await site.subscribe('-t', 'own/child01/#', '-C', '1', ...child01)).stdout).toBe('mine\n');
    const child02 = await site.as('child02');
    expect((await site.subscribe('-t', 'own/#', '-W', '1', ...child02)).stdout).toBe('');
  });

  it('lets no device take over the session of another with its client id', async () => {
    await using site = await openDoorSite({ level: 'mutual' });
    const target = { port: site.port };
    await using victim = await RawMqtt.open({ ...target, tls: await site.tls('child01') }, { clientId: 'same' });
    let isOver = false;
    void victim.ended.then(() => {
      isOver = true;
    });
    await using _other = await RawMqtt.open({ ...target, tls: await site.tls('child02') }, { clientId: 'same' });
    // Within one identity, the newer session takes the place of the older one, as the standard says.
    await using _own = await RawMqtt.open({ ...target, tls: await site.tls('child02') }, { clientId: 'same' });
    expect(isOver).toBe(false);
    await using _newer = await RawMqtt.open({ ...target, tls: await site.tls('child01') }, { clientId: 'same' });
    await victim.ended;
  });

  it('keeps the sessions of services out of the reach of clients that prove nothing', async () => {
    await using site = await openDoorSite({ level: 'plain' });
    await using service = await RawMqtt.open(
      { socketPath: site.socketPath },
      { clientId: 'sallyport-agent/publisher' },
    );
    let isOver = false;
    void service.ended.then(() => {
      isOver = true;
    });
    await using _thief = await RawMqtt.open({ port: site.port }, { clientId: 'sallyport-agent/publisher' });
    expect(isOver).toBe(false);
  });

  it('keeps the session of a device over connections', async () => {
    await using site = await openDoorSite({ level: 'mutual' });
    const words = ['-t', 'te/a', '-q', '1', '-i', 'kept', '-c', ...(await site.as('child01'))];
    await site.subscribe(...words, '-E');
    await site.publishBehind('-t', 'te/a', '-q', '1', '-m', 'meanwhile');
    expect((await site.subscribe(...words, '-C', '1')).stdout).toBe('meanwhile\n');
  });

  it('tells a client of MQTT 5 the id it gave it, and finds its session under this id again', async () => {
    await using site = await openDoorSite({ level: 'plain' });
    await using first = await RawConnection.open({ port: site.port });
    // CONNECT of MQTT 5 with an empty id, clean start, session expiry 60 s.
    first.send(Buffer.from('101200044d5154540502003c05110000003c0000', 'hex'));
    const id = await assignedId(first);
    first.send(Buffer.from('e000', 'hex'));
    await waitFor(() => first.isClosed);
    await using again = await RawConnection.open({ port: site.port });
    // The same with this id, and the session taken up again.
    const body = Buffer.concat([Buffer.from('00044d5154540500003c05110000003c', 'hex'), text(id)]);
    again.send(Buffer.concat([Buffer.from([0x10, body.length]), body]));
    await waitFor(() => again.unread.length > 3);
    // CONNACK: session present, success.
    expect(again.unread.subarray(2, 4).toString('hex')).toBe('0100');
  });

  it('passes what a client sends together with its CONNECT', async () => {
    await using site = await openDoorSite({ level: 'plain' });
    await using client = await RawConnection.open({ port: site.port });
    // CONNECT of client "one", PUBLISH "x" to "a" at QoS 1.
    client.send(Buffer.from(`${connectOne}32060001610001` + '78', 'hex'));
    await waitFor(() => client.unread.toString('hex') === '2002000040020001');
  });

  it('delivers what a client has sent before it closed its side', async () => {
    await using site = await openDoorSite({ level: 'plain' });
    await using client = await RawConnection.open({ port: site.port });
    const messages = Array.from({ length: 200 }, (_, index) => retainedPublish(`many/${index}`, 'x'.repeat(1_000)));
    client.socket.end(Buffer.concat([Buffer.from(connectOne, 'hex'), ...messages, Buffer.from('e000', 'hex')]));
    const { stdout } = await site.subscribe('-t', 'many/#', '-C', '200', '-F', '%t');
    expect(stdout.trim().split('\n')).toHaveLength(200);
  });
});

describe('a client the door refuses', () => {
  it.each([
    ['MQTT 3.1.1', '04', '20020005'],
    ['MQTT 5', '05', '2003008700'],
  ])('is told in the words of %s that its will goes where it may not publish', async (_, level, answer) => {
    await using site = await openDoorSite({ level: 'mutual' });
    await using client = await RawConnection.open({ port: site.port, tls: await site.tls('child01') });
    const will = Buffer.concat([...(level === '05' ? [Buffer.from([0])] : []), text('te/device/child02/a'), text('x')]);
    client.send(connect(level, '06', Buffer.concat([text('one'), will])));
    await closed(client);
    expect(client.unread.toString('hex')).toBe(answer);
    expect(site.door.status).toMatchObject({ sessions: 0, refusals: { 'will-not-permitted': 1 } });
    expect(site.log.join('')).toContain('te/device/child02/a');
  });

  it('is told that there are no authentication methods', async () => {
    await using site = await openDoorSite({ level: 'plain' });
    await using client = await RawConnection.open({ port: site.port });
    // Property 0x15, authentication method "x".
    client.send(connect('05', '02', text('one'), Buffer.from('0415000178', 'hex')));
    await closed(client);
    expect(client.unread.toString('hex')).toBe('2003008c00');
  });

  it.each([
    ['an empty id and a session to be kept', connect('04', '00', text('')), '20020002', 'client-id-not-valid'],
    ['a version that does not exist', connect('07', '02', text('one')), '20020001', 'version-unknown'],
    ['a reserved flag in MQTT 5', connect('05', '03', text('one')), '2003008100', 'connect-malformed'],
    ['a reserved flag in MQTT 3.1.1', connect('04', '03', text('one')), '', 'connect-malformed'],
    ['another packet', Buffer.from('c000', 'hex'), '', 'connect-malformed'],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), '', 'connect-malformed'],
    ['a CONNECT of 256 MB', Buffer.from('10ffffff7f00044d515454', 'hex'), '', 'connect-too-large'],
    [
      'a CONNECT with a user name of 20,000 bytes',
      connect('05', '82', Buffer.concat([text('one'), text('u'.repeat(20_000))])),
      '2003009500',
      'connect-too-large',
    ],
  ] as const)('is closed, with what its version has a word for, after %s', async (_, bytes, answer, reason) => {
    await using site = await openDoorSite({ level: 'plain' });
    await using client = await RawConnection.open({ port: site.port });
    client.send(bytes);
    await closed(client);
    expect(client.unread.toString('hex')).toBe(answer);
    expect(site.door.status.refusals).toEqual({ [reason]: 1 });
  });

  it('is closed when its CONNECT takes too long, byte for byte', async () => {
    await using site = await openDoorSite({ level: 'plain', connectMs: 300 });
    await using client = await RawConnection.open({ port: site.port });
    for (const byte of Buffer.from(connectOne, 'hex').subarray(0, 10))
      await new Promise((resolve) => client.socket.write(Buffer.from([byte]), resolve));
    await closed(client);
    expect(site.door.status.refusals).toEqual({ 'connect-late': 1 });
  });

  it('never shows its own user name and password to the broker', async () => {
    const seen: Buffer[] = [];
    await using broker = await scriptedBroker((socket) => {
      socket.on('data', (chunk: Buffer) => void seen.push(chunk));
      socket.write(Buffer.from('20020000', 'hex'));
    });
    await using site = await openDoorSite({ level: 'plain', place: { kind: 'network', url: broker.url } });
    await site.publish('-t', 'a', '-m', 'x', '-u', 'alice', '-P', 'topsecret', '-i', 'mine');
    const bytes = Buffer.concat(seen).toString('latin1');
    expect(bytes).toContain('anonymous/mine');
    expect(bytes).toContain('role/anonymous');
    expect(bytes + site.log.join('')).not.toMatch(/alice|topsecret/);
  });
});

describe('a back side with mutual TLS', () => {
  const services = async (ca: TestCa, commonName = 'mqtt-broker') => {
    const { certPem: cert, keyPem: key } = await ca.issue({ commonName, extendedKeyUsage: 'clientAuth' });
    return { ca: [ca.certPem], cert, key };
  };

  it('is opened with the certificate of the day, and says the identity of the client', async () => {
    await using ca = await TestCa.create();
    const server = await ca.issue({ commonName: 'broker', subjectAltNames: ['DNS:localhost'] });
    const tls = { certPath: server.certPath, keyPath: server.keyPath, caPath: ca.certPath };
    // The user name comes from the door here, not from the certificate of the door.
    await using broker = await spawnMosquitto({
      tls,
      requireCertificate: true,
      config: ['use_identity_as_username false'],
    });
    await using wrongCa = await TestCa.create();
    let material = await services(wrongCa);
    const place = { kind: 'network', url: broker.url, tls: async () => material } as const;
    await using site = await openDoorSite({ level: 'mutual', place });
    const words = ['-t', 'te/a', '-m', 'x', '-q', '1', ...(await site.as('child01'))];
    expect((await site.publish(...words)).stderr).toContain('broker unavailable');
    material = await services(ca);
    expect(await site.publish(...words)).toMatchObject({ exitCode: 0, stderr: '' });
    await waitFor(() => broker.output().includes("u'child01'"));
  });

  it('is not used when another broker answers there, nor without TLS', async () => {
    await using ca = await TestCa.create();
    const tls = async () => await services(ca);
    await using plain = await spawnMosquitto();
    const url = plain.url.replace('mqtt://127.0.0.1', 'mqtts://localhost');
    await using site = await openDoorSite({ level: 'plain', place: { kind: 'network', url, tls } });
    expect((await site.publish('-t', 'a', '-m', 'x')).stderr).toContain('broker unavailable');
    await using stranger = await TestCa.create();
    const server = await stranger.issue({ commonName: 'broker', subjectAltNames: ['DNS:localhost'] });
    await using other = await spawnMosquitto({ tls: { certPath: server.certPath, keyPath: server.keyPath } });
    await using second = await openDoorSite({ level: 'plain', place: { kind: 'network', url: other.url, tls } });
    expect((await second.publish('-t', 'a', '-m', 'x')).stderr).toContain('broker unavailable');
    expect(second.door.fault).toMatch(/self-signed certificate|unable to verify|unable to get/);
  });
});

describe('a broker behind the door that is away', () => {
  it.each([
    ['mqttv311', 'Connection Refused: broker unavailable'],
    ['mqttv5', 'Server unavailable'],
  ])('is told to clients of %s; they are served again when it is back', async (version, sentence) => {
    await using site = await openDoorSite({ level: 'plain' });
    await site.mosquitto.kill();
    const words = ['-V', version, '-t', 'a', '-m', 'x', '-q', '1'];
    for (const _ of [1, 2, 3]) expect((await site.publish(...words)).stderr).toContain(sentence);
    expect(site.door.fault).toMatch(/cannot be reached.*(ENOENT|ECONNREFUSED)/);
    // Once, not for each client.
    expect(site.log.filter((line) => line.includes('clients cannot be served'))).toHaveLength(1);
    await site.restartMosquitto();
    expect((await site.publish(...words)).exitCode).toBe(0);
    expect(site.door.fault).toBeUndefined();
  });

  it('is one that accepts connections and says nothing, too', async () => {
    await using broker = await scriptedBroker(() => undefined);
    const place = { kind: 'network', url: broker.url } as const;
    await using site = await openDoorSite({ level: 'plain', place, greetingMs: 200 });
    expect((await site.publish('-t', 'a', '-m', 'x')).stderr).toContain('broker unavailable');
    expect(site.door.fault).toContain('did not answer a CONNECT within 200 ms');
  });

  it('is one that answers with anything but CONNACK, too', async () => {
    await using broker = await scriptedBroker((socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await using site = await openDoorSite({ level: 'plain', place: { kind: 'network', url: broker.url } });
    expect((await site.publish('-t', 'a', '-m', 'x')).stderr).toContain('broker unavailable');
  });

  it('is one that resets the connection, too', async () => {
    await using broker = await scriptedBroker((socket) => void socket.resetAndDestroy());
    await using site = await openDoorSite({ level: 'plain', place: { kind: 'network', url: broker.url } });
    expect((await site.publish('-t', 'a', '-m', 'x')).stderr).toContain('broker unavailable');
  });

  it('takes its clients with it when it dies', async () => {
    await using site = await openDoorSite({ level: 'mutual' });
    await using client = await RawMqtt.open({ port: site.port, tls: await site.tls('child01') }, { clientId: 'one' });
    await site.mosquitto.kill();
    await client.ended;
    await waitFor(() => site.door.status.sessions === 0);
  });

  it('gives its refusal to the client in its own words', async () => {
    await using broker = await scriptedBroker((socket) => void socket.write(Buffer.from('20020005', 'hex')));
    await using site = await openDoorSite({ level: 'plain', place: { kind: 'network', url: broker.url } });
    expect((await site.publish('-t', 'a', '-m', 'x')).stderr).toContain('not authorised');
    expect(site.door.status.refusals).toEqual({ 'broker-refused': 1 });
  });
});

describe('connections of one identity', () => {
  it.each([
    ['mqttv311', 'Connection Refused: broker unavailable'],
    ['mqttv5', 'Quota exceeded'],
  ])(
    'have a share, and one too many is refused in the words of %s; another device gets in',
    async (version, sentence) => {
      await using site = await openDoorSite({ level: 'mutual', limits: { connectionsPerIdentity: 2 } });
      const tls = await site.tls('child01');
      await using _one = await RawMqtt.open({ port: site.port, tls }, { clientId: 'one' });
      await using _two = await RawMqtt.open({ port: site.port, tls }, { clientId: 'two' });
      const words = ['-V', version, '-t', 'te/a', '-m', 'x', '-q', '1'];
      expect((await site.publish(...words, ...(await site.as('child01')))).stderr).toContain(sentence);
      expect(site.refusals).toEqual(['too-many-connections']);
      expect((await site.publish(...words, ...(await site.as('child02')))).exitCode).toBe(0);
      await waitFor(() => site.door.status.sessions === 2);
    },
  );

  it('are those of its network where nobody proves an identity', async () => {
    await using site = await openDoorSite({ level: 'plain', limits: { connectionsPerAddress: 1 } });
    await using _one = await RawMqtt.open({ port: site.port }, { clientId: 'one' });
    await expect(RawMqtt.open({ port: site.port }, { clientId: 'two' })).rejects.toThrow('return code 3');
    expect(site.refusals).toEqual(['too-many-connections']);
    const elsewhere = { port: site.port, localAddress: '127.0.0.2' };
    await using _three = await RawMqtt.open(elsewhere, { clientId: 'three' });
  });
});

describe('the end of a session', () => {
  it('comes within a second when the device is revoked, and another device with the same client id goes on', async () => {
    await using site = await openDoorSite({ level: 'mutual' });
    const [one, other] = [await site.tls('child01'), await site.tls('child02')];
    await using revoked = await RawMqtt.open({ port: site.port, tls: one }, { clientId: 'one' });
    await using kept = await RawMqtt.open({ port: site.port, tls: other }, { clientId: 'one' });
    const revokedAt = performance.now();
    site.listener.refuseSessions(({ deviceId }) => (deviceId === 'child01' ? 'device-revoked' : undefined));
    await revoked.ended;
    await waitFor(() => site.door.status.sessions === 1);
    expect(performance.now() - revokedAt).toBeLessThan(1_000);
    expect(await kept.subscribe('te/a', 1)).toBe(1);
  });

  it('is announced to a client of MQTT 5 when the listener closes', async () => {
    await using site = await openDoorSite({ level: 'plain' });
    await using five = await RawConnection.open({ port: site.port });
    five.send(connect('05', '02', text('five')));
    await using four = await RawConnection.open({ port: site.port });
    four.send(Buffer.from(connectOne, 'hex'));
    await waitFor(() => five.unread.length > 3 && four.unread.length === 4);
    const greeting = five.unread;
    await site.listener.close({ drainMs: 1_000 });
    expect(five.unread.subarray(greeting.length).toString('hex')).toBe('e0028b00');
    expect(four.unread.toString('hex')).toBe('20020000');
  });

  it('is announced between two packets only', async () => {
    const brokers: Socket[] = [];
    await using broker = await scriptedBroker((socket) => {
      brokers.push(socket);
      // CONNACK of MQTT 5, and half a PUBLISH.
      socket.write(Buffer.from('2003000000' + '300a0001', 'hex'));
    });
    await using site = await openDoorSite({ level: 'plain', place: { kind: 'network', url: broker.url } });
    await using client = await RawConnection.open({ port: site.port });
    client.send(connect('05', '02', text('five')));
    await waitFor(() => client.unread.length === 9);
    const closing = site.listener.close({ drainMs: 5_000 });
    brokers[0]?.write(Buffer.from('61000000000000ff', 'hex'));
    await closing;
    expect(client.unread.toString('hex')).toBe('2003000000' + '300a000161000000000000ff' + 'e0028b00');
  });
});

describe('one side that does not read', () => {
  const mostBytes = 16 * 1024 * 1024;

  it('stops the broker when it is the client', async () => {
    const brokers: Socket[] = [];
    await using broker = await scriptedBroker((socket) => {
      brokers.push(socket);
      socket.write(Buffer.from('20020000', 'hex'));
    });
    await using site = await openDoorSite({ level: 'plain', place: { kind: 'network', url: broker.url } });
    await using frozen = await RawMqtt.open({ port: site.port }, { clientId: 'frozen' });
    frozen.socket.pause();
    expect(await bytesTaken(brokers[0])).toBeLessThan(mostBytes);
    // What waited comes when the client reads again.
    frozen.socket.resume();
    await waitFor(() => brokers[0]?.writableLength === 0);
  });

  it('stops the client when it is the broker', async () => {
    const brokers: Socket[] = [];
    await using broker = await scriptedBroker((socket) => {
      brokers.push(socket);
      socket.write(Buffer.from('20020000', 'hex'));
      socket.pause();
    });
    await using site = await openDoorSite({ level: 'mutual', place: { kind: 'network', url: broker.url } });
    const tls = await site.tls('child01');
    await using client = await RawMqtt.open({ port: site.port, tls }, { clientId: 'fast' });
    expect(await bytesTaken(client.socket)).toBeLessThan(mostBytes);
    brokers[0]?.resume();
    await waitFor(() => client.socket.writableLength === 0);
  });
});

const connectOne = '100f00044d5154540402003c00036f6e65';

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

/** CONNECT: level and flags in hexadecimal, properties with their length (MQTT 5), what follows the header. */
function connect(level: string, flags: string, payload: Buffer, properties = Buffer.from([0])): Buffer {
  const head = Buffer.concat([
    Buffer.from(`00044d515454${level}${flags}003c`, 'hex'),
    ...(level === '05' ? [properties] : []),
  ]);
  return packet(0x10, Buffer.concat([head, payload]));
}

function packet(firstByte: number, body: Buffer): Buffer {
  const length: number[] = [];
  let left = body.length;
  do {
    length.push((left % 128) | (left >= 128 ? 0x80 : 0));
    left = Math.floor(left / 128);
  } while (left > 0);
  return Buffer.concat([Buffer.from([firstByte, ...length]), body]);
}

function publish(topic: string, payload: Buffer): Buffer {
  return packet(0x30, Buffer.concat([text(topic), payload]));
}

/** At QoS 1, with packet id 1. */
function retainedPublish(topic: string, payload: string): Buffer {
  return packet(0x33, Buffer.concat([text(topic), Buffer.from([0, 1]), Buffer.from(payload)]));
}

function closed({ socket }: RawConnection): Promise<unknown> {
  return socket.closed ? Promise.resolve() : once(socket, 'close');
}

async function assignedId(client: RawConnection): Promise<string> {
  // CONNACK with property 0x12, assigned client identifier.
  const bytes = await waitFor(() => (client.unread.length > 30 ? client.unread : undefined));
  const at = bytes.indexOf(0x12, 4);
  return bytes.subarray(at + 3, at + 3 + bytes.readUInt16BE(at + 1)).toString();
}

/** Writes until nothing is taken any more; returns how much was. */
async function bytesTaken(socket: Socket | undefined): Promise<number> {
  if (socket === undefined) throw new Error('there is no connection');
  for (let index = 0; index < 64; index += 1) socket.write(publish('flood', Buffer.alloc(1_000_000)));
  const taken = () => socket.bytesWritten - socket.writableLength;
  for (let before = -1; taken() > before; ) {
    before = taken();
    await pause(200);
  }
  return taken();
}

async function scriptedBroker(serve: (socket: Socket) => void) {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    // Only after the CONNECT has come, as a broker does.
    socket.once('data', (chunk: Buffer) => {
      socket.unshift(chunk);
      serve(socket);
    });
    socket.resume();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { url: `mqtt://127.0.0.1:${port}`, [Symbol.asyncDispose]: async () => void server.close() };
}
