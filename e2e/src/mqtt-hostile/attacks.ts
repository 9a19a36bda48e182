import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectPacket, publishPacket, RawMqtt, type RawMqttTarget, subscribePacket } from '@sallyport/testkit';

/** Where the attack goes to, and the address it comes from. */
export type Aim = RawMqttTarget & { readonly port: number; readonly localAddress: string };

const topic = 'te/device/evil///m/load';
const keepAliveSeconds = 600;
let clients = 0;

/** Packets that no client may send. Each is sent behind a CONNECT. */
const malformed = [
  // PUBLISH to "+", to U+0000, to ill-formed UTF-8, at QoS 3, and with packet id 0.
  '300500012b7878',
  '30050001007878',
  '30060002c3287878',
  '3606000161000178',
  '3206000161000078',
  // SUBSCRIBE to "a#", and without its reserved bit; PUBREL without it; CONNECT again; a type that does not exist.
  '820700010002612301',
  '8006000100016100',
  '60020001',
  '100c00044d5154540402003c0000',
  '0000',
  // A remaining length of five bytes.
  '30ffffffff7f',
].map((hex) => Buffer.from(hex, 'hex'));

function open(aim: Aim, isClean = true): Promise<RawMqtt> {
  clients += 1;
  return RawMqtt.open(aim, { clientId: `evil${clients}`, isClean, keepAliveSeconds });
}

async function openRaw({ port, localAddress }: Aim): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Does it again and again, so many times at once, also when it fails. */
function forEver(parallel: number, work: () => Promise<unknown>): void {
  for (let each = 0; each < parallel; each += 1)
    void (async () => {
      for (;;) {
        await work().catch(() => sleep(5));
        await sleep(0);
      }
    })();
}

/** Writes as fast as the other side reads, until it has closed. */
async function pour(socket: Socket, bytes: Uint8Array): Promise<void> {
  while (!socket.destroyed)
    if (!socket.write(bytes)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
}

async function sendMalformed(aim: Aim, packet: Buffer): Promise<void> {
  const socket = await openRaw(aim);
  socket.resume();
  const session = { clientId: 'evil', keepAliveSeconds };
  socket.write(Buffer.concat([connectPacket(session), packet]));
  await Promise.race([once(socket, 'close'), sleep(1_000)]);
  socket.destroy();
}

async function readSlowly(aim: Aim): Promise<void> {
  const client = await open(aim, false);
  await client.subscribe(topic, 1);
  client.socket.pause();
  await client.ended;
}

async function publishLarge(aim: Aim): Promise<void> {
  const client = await open(aim);
  const packet = publishPacket({ topic, payload: Buffer.alloc(64 * 1024), packetId: 1 });
  client.onAcknowledged = () => void client.write([packet]);
  client.write([packet]);
  await client.ended;
}

/** What hostile clients do; each goes on until its process is killed. */
export const attacks: Readonly<Record<string, (aim: Aim) => void>> = {
  '5,000 idle sessions': (aim) => forEver(50, async () => (clients < 5_000 ? open(aim) : sleep(100))),
  '2,000 connections that send half a CONNECT': (aim) =>
    forEver(2_000, async () => {
      const socket = await openRaw(aim);
      socket.write(connectPacket({ clientId: 'half' }).subarray(0, 8));
      await once(socket.resume(), 'close');
    }),
  '20 subscribers that do not read': (aim) => {
    forEver(20, () => readSlowly(aim));
    forEver(1, () => publishLarge(aim));
  },
  'a flood at QoS 0': (aim) => {
    const packet = publishPacket({ topic, payload: Buffer.alloc(1_000) });
    const packets = Buffer.concat(Array.from({ length: 60 }, () => packet));
    forEver(4, async () => pour((await open(aim)).socket, packets));
  },
  'malformed packets': (aim) => {
    let count = 0;
    forEver(8, () => sendMalformed(aim, malformed[count++ % malformed.length] ?? Buffer.alloc(1)));
  },
  'payloads of 256 MB': (aim) =>
    forEver(8, async () => {
      const { socket } = await open(aim);
      socket.write(Buffer.from('30ffffff7f000161', 'hex'));
      await pour(socket, Buffer.alloc(256 * 1024));
    }),
  'subscriptions without end': (aim) =>
    forEver(4, async () => {
      const client = await open(aim);
      let id = 0;
      const next = () => subscribePacket((id++ % 60_000) + 1, `${topic}/${id}/+/x/#`, 1);
      while (!client.socket.destroyed) {
        client.write(Array.from({ length: 100 }, next));
        await sleep(5);
      }
    }),
};
