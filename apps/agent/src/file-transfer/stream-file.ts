import type { ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { OpenFile } from '../file-storage/open-file.js';
import type { PeerSendQuota } from '../file-storage/peer-send-quota.js';
import type { TransferBuffers } from '../file-storage/transfer-buffers.js';
import { PeerLost } from './answer.js';

/**
 * The most that TLS gets at once. It encrypts all that it gets, and the connection keeps memory of this size until it
 * ends. Pieces of 64 KiB cost no more CPU time than whole buffers, because they stay in the cache of the processor.
 */
const mostBytesForTls = 64 * 1024;

/** A part of a file. */
export interface Stretch {
  readonly first: number;
  readonly length: number;
}

/** The file to send, `length` bytes from `first` on. */
interface Shipment extends Stretch {
  readonly file: OpenFile;
  /** The peer of the download. All downloads of a peer share buffers and time. */
  readonly peer: string;
  /** Called with the number of bytes that were given to the network. */
  readonly onSent: (bytes: number) => void;
}

/** Shared by all downloads. */
interface Shared {
  readonly buffers: TransferBuffers;
  readonly sendQuota: PeerSendQuota;
}

/**
 * Sends a part of a file and ends the response. It fills one buffer while the other is sent. A slow reader holds at
 * most two buffers.
 *
 * @throws PeerLost: the connection ended.
 * @throws Error: another process shortened the file, so the response cannot be completed.
 */
export async function streamFile(
  res: ServerResponse,
  shipment: Shipment,
  { buffers, sendQuota }: Shared,
): Promise<void> {
  const share = buffers.shareOf(shipment.peer);
  const one = share.take();
  // A second one only while there are plenty, and only if the first is too small for everything.
  const lent = share.isPlenty && shipment.length > one.length ? [one, share.take()] : [one];
  try {
    await sendByQuota(res, shipment, { lent, sendQuota });
    for (const buffer of lent) share.giveBack(buffer);
  } catch (error) {
    for (const buffer of lent) share.abandon(buffer);
    throw error;
  }
}

async function sendByQuota(
  res: ServerResponse,
  { file, first, length, onSent, peer }: Shipment,
  { lent, sendQuota }: { readonly lent: readonly Buffer[]; readonly sendQuota: PeerSendQuota },
): Promise<void> {
  const end = first + length;
  let [filling = Buffer.alloc(0), sending = filling] = lent;
  let sent = Promise.resolve();
  for (let position = first; position < end; ) {
    // With only one buffer, the next read must not overwrite bytes that are still being sent.
    if (filling === sending) await sent;
    const wanted = { length: Math.min(filling.length, end - position), position };
    const [bytes] = await Promise.all([readSome(file, filling, wanted), sent]);
    position += bytes;
    await sendQuota.take(peer, bytes);
    sent = send(res, filling.subarray(0, bytes), { isLast: position === end }).then(() => onSent(bytes));
    [filling, sending] = [sending, filling];
  }
  await sent;
}

/** Reads at least one byte. */
export function readSome(
  file: OpenFile,
  buffer: Buffer,
  { length, position }: { length: number; position: number },
): Promise<number> {
  return new Promise((resolve, reject) => {
    file.read(buffer, { length, position }, (error, bytes) => {
      if (error !== null) reject(error);
      else if (bytes === 0) reject(new Error(`The file ended at byte ${position} while it was being sent.`));
      else resolve(bytes);
    });
  });
}

/** Resolves when the bytes were given to the network, so their buffer can be reused. */
async function send(res: ServerResponse, bytes: Buffer, { isLast }: { isLast: boolean }): Promise<void> {
  const most = res.socket instanceof TLSSocket ? mostBytesForTls : bytes.length;
  for (let at = 0; at < bytes.length; at += most)
    await sendPiece(res, bytes.subarray(at, at + most), { isLast: isLast && at + most >= bytes.length });
}

function sendPiece(res: ServerResponse, bytes: Buffer, { isLast }: { isLast: boolean }): Promise<void> {
  return new Promise((resolve, reject) => {
    const lose = (): void => reject(new PeerLost('The connection ended within a download.'));
    // The close event does not come again, and Node calls no callback for the last bytes of a response that has ended.
    if (res.destroyed) return lose();
    const settle = (error?: Error | null): void => {
      res.off('close', lose);
      if (error) lose();
      else resolve();
    };
    res.once('close', lose);
    if (isLast) res.end(bytes, settle);
    else res.write(bytes, settle);
  });
}
