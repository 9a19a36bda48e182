import type { ServerResponse } from 'node:http';
import type { OpenFile } from '../file-storage/open-file.js';
import type { PeerTurns } from '../file-storage/peer-turns.js';
import type { TransferBuffers } from '../file-storage/transfer-buffers.js';
import { PeerLost } from './exchange.js';

/** A stretch of a file. */
export interface Stretch {
  readonly first: number;
  readonly length: number;
}

/** What is to be sent, from `first` for `length` bytes. */
interface Shipment extends Stretch {
  readonly file: OpenFile;
  /** Who is sent it: its downloads share buffers and time. */
  readonly peer: string;
  /** Told of the bytes that have left for the network. */
  readonly onSent: (bytes: number) => void;
}

/** What all downloads share. */
interface Shared {
  readonly buffers: TransferBuffers;
  readonly turns: PeerTurns;
}

/**
 * Sends a stretch of a file and ends the response, reading ahead by one buffer while the other goes out. A slow reader
 * holds two buffers and no more.
 *
 * @throws PeerLost: the connection ended.
 * @throws Error: the file was cut short by somebody meanwhile; the response cannot be completed.
 */
export async function streamFile(res: ServerResponse, shipment: Shipment, { buffers, turns }: Shared): Promise<void> {
  const share = buffers.shareOf(shipment.peer);
  const one = share.take();
  // A second one only if the first does not hold it all.
  const lent = shipment.length > one.length ? [one, share.take()] : [one];
  try {
    await sendByTurns(res, shipment, { lent, turns });
    for (const buffer of lent) share.giveBack(buffer);
  } catch (error) {
    for (const buffer of lent) share.abandon(buffer);
    throw error;
  }
}

async function sendByTurns(
  res: ServerResponse,
  { file, first, length, onSent, peer }: Shipment,
  { lent, turns }: { readonly lent: readonly Buffer[]; readonly turns: PeerTurns },
): Promise<void> {
  const end = first + length;
  let [filling = Buffer.alloc(0), sending = filling] = lent;
  let sent = Promise.resolve();
  for (let position = first; position < end; ) {
    // With one buffer, a short read must not overwrite what is still going out.
    if (filling === sending) await sent;
    const wanted = { length: Math.min(filling.length, end - position), position };
    const [bytes] = await Promise.all([readSome(file, filling, wanted), sent]);
    position += bytes;
    await turns.take(peer, bytes);
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

/** Resolves when the bytes have left for the network, so that their buffer is free again. */
function send(res: ServerResponse, bytes: Buffer, { isLast }: { isLast: boolean }): Promise<void> {
  return new Promise((resolve, reject) => {
    const lose = (): void => reject(new PeerLost('The connection ended within a download.'));
    // It will not say so again, and Node calls nobody back about the last bytes of a response that is over.
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
