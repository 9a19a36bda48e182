import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';

/** What an attacker has: an admitted device, an untrusted chain, and the address of a service. */
export interface Arsenal {
  readonly port: number;
  readonly device: ConnectionOptions;
  readonly slowChain: ConnectionOptions;
}

/** Starts an attack. It continues until the process of the attacker ends. */
type Attack = (arsenal: Arsenal) => void;

const host = '127.0.0.1';
const addresses = ['127.0.0.2', '127.0.0.3'] as const;
const get = (name: string): string => `GET /te/v1/files/${name} HTTP/1.1\r\nHost: a\r\n\r\n`;
const putInChunks = 'PUT /te/v1/files/chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';

async function openDevice({ port, device }: Arsenal): Promise<TLSSocket> {
  const socket = connectTls({ ...device, port, host, ...{ localAddress: addresses[0] } });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

/** Writes as fast as the other side reads. */
function pour(socket: TLSSocket, piece: string, times: number): void {
  let left = times;
  const go = (): void => {
    while (left > 0) {
      left -= 1;
      if (socket.write(piece)) continue;
      socket.once('drain', go);
      return;
    }
  };
  go();
}

async function pipeline(arsenal: Arsenal, { isRead }: { readonly isRead: boolean }): Promise<void> {
  const socket = await openDevice(arsenal);
  if (isRead) socket.resume();
  pour(socket, get('small').repeat(1_000), 400);
}

async function sendChunks(arsenal: Arsenal): Promise<void> {
  const socket = await openDevice(arsenal);
  socket.resume().write(putInChunks);
  pour(socket, '1\r\nx\r\n'.repeat(1_000), 10_000);
}

/** Each write of one byte becomes a separate TLS record. */
async function sendRecords(arsenal: Arsenal): Promise<void> {
  const socket = await openDevice(arsenal);
  socket.resume().setNoDelay(true);
  const request = get('small');
  let sent = 0;
  const go = (): void => {
    for (let count = 0; count < 2_000; count += 1) socket.write(request.charAt(sent++ % request.length));
    if (socket.writableNeedDrain) socket.once('drain', go);
    else setImmediate(go);
  };
  go();
}

function downloadUnread(arsenal: Arsenal): void {
  for (let count = 0; count < 200; count += 1)
    openDevice(arsenal).then((socket) => socket.pause().write(get('large')), console.error);
}

function presentChains({ port, slowChain }: Arsenal): void {
  let begun = 0;
  setInterval(() => {
    const localAddress = addresses[begun++ % addresses.length];
    const socket = connectTls({ ...slowChain, port, host, rejectUnauthorized: false, ...{ localAddress } });
    socket.on('error', () => undefined);
  }, 125);
}

/** Sends the start of a TLS record and nothing more. Reconnects as soon as the connection is closed. */
function stall({ port }: Arsenal): void {
  const one = (localAddress: string): void => {
    const socket = connectTcp({ host, port, localAddress });
    socket.on('connect', () => socket.write(Buffer.from('160301', 'hex')));
    socket.on('error', () => undefined);
    socket.on('close', () => setTimeout(() => one(localAddress), 20));
  };
  for (let count = 0; count < 400; count += 1) for (const address of addresses) one(address);
}

/** The attacks by the names that the benchmark prints. */
export const attacks: Readonly<Record<string, Attack>> = {
  '400,000 pipelined GETs, read': (arsenal) => void pipeline(arsenal, { isRead: true }),
  '400,000 pipelined GETs, not read': (arsenal) => void pipeline(arsenal, { isRead: false }),
  'chunks of one byte': (arsenal) => void sendChunks(arsenal),
  'TLS records of one byte': (arsenal) => void sendRecords(arsenal),
  '200 downloads nobody reads': downloadUnread,
  'chains of 98 sect571r1, 8/s': presentChains,
  '800 half-open handshakes': stall,
};
