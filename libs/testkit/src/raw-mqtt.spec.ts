import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { describe, expect, it } from 'vitest';
import { publishPacket, RawMqtt, type RawMqttMessage } from './raw-mqtt.js';
import { spawnMosquitto } from './servers.js';
import { TestCa } from './test-ca.js';
import { waitFor } from './wait-for.js';

/** A server that answers the first bytes with these. */
async function answering(hex: string): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.once('data', () => socket.end(Buffer.from(hex, 'hex'))));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 };
}

describe('raw MQTT client', () => {
  it('gets what it publishes from Mosquitto, in order, and an acknowledgement for each', async () => {
    await using broker = await spawnMosquitto();
    await using client = await RawMqtt.open(broker, { clientId: 'one' });
    const [payloads, acknowledged]: [string[], number[]] = [[], []];
    client.onMessage = ({ payload }) => void payloads.push(payload.toString());
    client.onAcknowledged = (id) => void acknowledged.push(id);
    expect(await client.subscribe('a/#', 1)).toBe(1);
    // One of them is longer than 127 bytes, so its length takes two bytes; one is larger than a read.
    const sent = ['1', '2'.repeat(200), '3'.repeat(100_000)];
    const packets = sent.map((value, index) =>
      publishPacket({ topic: 'a/b', payload: Buffer.from(value), packetId: index + 1 }),
    );
    client.write(packets);
    await waitFor(() => payloads.length === 3 && acknowledged.length === 3);
    expect([payloads, acknowledged]).toEqual([sent, [1, 2, 3]]);
  });

  it('acknowledges what it got, so that a kept session does not send it again', async () => {
    await using broker = await spawnMosquitto();
    const session = { clientId: 'kept', isClean: false };
    const messages: Omit<RawMqttMessage, 'payload'>[] = [];
    const first = await RawMqtt.open(broker, session);
    first.onMessage = ({ topic, qos, isDuplicate }) => void messages.push({ topic, qos, isDuplicate });
    await first.subscribe('a', 1);
    first.write([publishPacket({ topic: 'a', payload: Buffer.from('x'), packetId: 1 })]);
    await waitFor(() => messages.length === 1);
    await first.disconnect();
    await using second = await RawMqtt.open(broker, session);
    second.onMessage = first.onMessage;
    await second.subscribe('b', 1);
    expect([second.isSessionPresent, messages]).toEqual([true, [{ topic: 'a', qos: 1, isDuplicate: false }]]);
  });

  it('connects over TLS with its certificate', async () => {
    await using ca = await TestCa.create();
    const { certPath, keyPath } = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
    const tls = { certPath, keyPath, caPath: ca.certPath };
    await using broker = await spawnMosquitto({ tls, requireCertificate: true });
    const { certPem: cert, keyPem: key } = await ca.issue({ commonName: 'child01' });
    const options = { ca: ca.certPem, cert, key, servername: 'localhost' };
    await using client = await RawMqtt.open({ port: broker.port, tls: options }, { clientId: 'one' });
    expect(await client.subscribe('a', 0)).toBe(0);
  });

  it.each([
    ['refuses it', '20020005', 'The server refused one with return code 5.'],
    ['closes without an answer', '', 'The connection ended before the server answered the CONNECT of one.'],
  ])('says so when the server %s', async (_how, answer, sentence) => {
    const { server, port } = await answering(answer);
    await expect(RawMqtt.open({ port }, { clientId: 'one' })).rejects.toThrow(sentence);
    server.close();
  });
});
