import type { ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { OpenFile } from '../file-storage/open-file.js';
import type { PeerSendQuota } from '../file-storage/peer-send-quota.js';
import type { StallWatch, Watched } from '../file-storage/stall-watch.js';
import type { BufferShare, TransferBuffers } from '../file-storage/transfer-buffers.js';
import { PeerLost } from './answer.js';

/**
 * The most that TLS gets at once. It encrypts all that it gets, and the connection keeps memory of this size until it
 * ends. Pieces of 64 KiB cost no more CPU time than whole buffers, because they stay in the cache of the processor.
 */
const mostBytesForTls = 64 * 1024;

/** A reader that had stopped gets large buffers again when it has taken this much without another stop. */
const mostBytesOfSlowRun = 256 * 1024;

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
  /** Called with the number of bytes of each piece that was given to the network. */
  readonly onSent: (bytes: number) => void;
}

/** Shared by all downloads. */
interface Shared {
  readonly buffers: TransferBuffers;
  readonly sendQuota: PeerSendQuota;
  readonly stallWatch: StallWatch;
}

/**
 * Sends a part of a file and ends the response. It fills one buffer while the other is sent, so a reader holds at most
 * two. Over TLS, a reader that stops loses them soon. When it reads again, the rest comes from the file again.
 *
 * @throws PeerLost: the connection ended.
 * @throws Error: another process shortened the file, so the response cannot be completed.
 */
export async function streamFile(res: ServerResponse, shipment: Shipment, shared: Shared): Promise<void> {
  const end = shipment.first + shipment.length;
  let isSlow = false;
  for (let first = shipment.first; first < end; ) {
    const length = isSlow ? Math.min(end - first, mostBytesOfSlowRun) : end - first;
    const run = new Run(res, { ...shipment, first, length, isLast: first + length === end, isSlow }, shared);
    first += await run.send();
    isSlow = run.hasStalled;
  }
}

/** A part of a shipment that is sent with the same buffers. */
interface RunPlan extends Shipment {
  /** True if the response ends with the last of these bytes. */
  readonly isLast: boolean;
  /** True if the reader had stopped before. Then it gets one small buffer. */
  readonly isSlow: boolean;
}

/** Sends until all is sent, or until the reader has stopped and its buffers are free. */
class Run implements Watched {
  hasStalled = false;
  progress = 0;
  private readonly share: BufferShare;
  private lent: readonly Buffer[];
  private isReading = false;
  /** True while TLS holds an encrypted copy of the piece that is being sent. */
  private isCopied = false;

  constructor(
    private readonly res: ServerResponse,
    private readonly plan: RunPlan,
    private readonly shared: Shared,
  ) {
    this.share = shared.buffers.shareOf(plan.peer);
    this.lent = this.borrow();
  }

  private borrow(): readonly Buffer[] {
    if (this.plan.isSlow) return [this.share.takeSmall()];
    const one = this.share.take();
    // A second one only while there are plenty, and only if the first is too small for everything.
    return this.share.isPlenty && this.plan.length > one.length ? [one, this.share.take()] : [one];
  }

  /** @returns number of bytes given to the network; fewer than planned if the reader has stopped */
  async send(): Promise<number> {
    const { stallWatch } = this.shared;
    stallWatch.add(this);
    try {
      await this.sendByQuota();
      for (const buffer of this.lent) this.share.giveBack(buffer);
    } catch (error) {
      for (const buffer of this.lent) this.share.abandon(buffer);
      throw error;
    } finally {
      stallWatch.delete(this);
    }
    return this.progress;
  }

  /** Frees the buffers, unless the disk or the network still uses them. */
  onStall(): void {
    if (this.isReading || !this.isCopied || this.hasStalled) return;
    this.hasStalled = true;
    for (const buffer of this.lent) this.share.free(buffer);
    this.lent = [];
  }

  private async sendByQuota(): Promise<void> {
    const { first, length, peer, isLast } = this.plan;
    let [filling = Buffer.alloc(0), sending = filling] = this.lent;
    let sent = Promise.resolve();
    for (let read = 0; read < length; ) {
      // With only one buffer, the next read must not overwrite bytes that are still being sent.
      if (filling === sending) await sent;
      if (this.hasStalled) break;
      const bytes = await this.readAhead(filling, { first: first + read, length: length - read }, sent);
      if (this.hasStalled) break;
      read += bytes;
      await this.shared.sendQuota.take(peer, bytes);
      sent = this.sendBuffer(filling.subarray(0, bytes), { isLast: isLast && read === length });
      [filling, sending] = [sending, filling];
    }
    await sent;
  }

  /** Reads some bytes while others are sent. */
  private async readAhead(buffer: Buffer, { first, length }: Stretch, sent: Promise<void>): Promise<number> {
    this.isReading = true;
    const reading = readSome(this.plan.file, buffer, { length: Math.min(buffer.length, length), position: first });
    const read = reading.finally(() => {
      this.isReading = false;
    });
    const [bytes] = await Promise.all([read, sent]);
    return bytes;
  }

  /** Resolves when the bytes were given to the network, or when the reader has stopped and the rest must wait. */
  private async sendBuffer(bytes: Buffer, { isLast }: { readonly isLast: boolean }): Promise<void> {
    const { length } = bytes;
    const most = this.res.socket instanceof TLSSocket ? mostBytesForTls : length;
    for (let at = 0; at < length && !this.hasStalled; at += most) {
      const piece = bytes.subarray(at, at + most);
      const pieceBytes = piece.length;
      this.isCopied = isCopiedByTls(this.res);
      await sendPiece(this.res, piece, { isLast: isLast && at + most >= length });
      this.isCopied = false;
      this.progress += pieceBytes;
      this.plan.onSent(pieceBytes);
    }
  }
}

/** TLS encrypts a piece as soon as it gets it. It gets it at once if nothing waits before it. */
function isCopiedByTls({ socket }: ServerResponse): boolean {
  return socket instanceof TLSSocket && socket.writableLength === 0;
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
