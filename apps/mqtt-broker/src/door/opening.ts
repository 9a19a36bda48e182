import type { Duplex } from 'node:stream';
import { type ConnectPacket, connectRefusalOf, PacketError, PacketReader, reasonCodes } from '@sallyport/mqtt-wire';
import type { ConnectRefusal } from '@sallyport/protocol';
import { levelOf, mostHeadBytes } from './connect-answer.js';
import { ConnectRefused } from './connect-refused.js';

/** Largest CONNECT without the payload of its will: a password and user properties have room in it. */
const mostConnectBytes = 16 * 1024;

/** MQTT 5.0 §3.1.3.4: the length of a will payload has two bytes. */
const mostWillBytes = 65_535;

/** What a client has sent to begin its session. */
export interface Opening {
  readonly connect: ConnectPacket;
  /** The packet as it came. */
  readonly frame: Buffer;
  /** What came behind CONNECT: clients need not wait for CONNACK. */
  readonly rest: Buffer;
}

export interface OpeningOptions {
  /** From now to the last byte of CONNECT, in milliseconds. */
  readonly deadlineMs: number;
  /** Ends the wait: the promise resolves to undefined. */
  readonly signal: AbortSignal;
}

/**
 * Reads the CONNECT of a client, and pauses the stream behind it.
 *
 * @returns undefined when the client has gone, or `signal` has ended the wait
 * @throws ConnectRefused: what came is no valid CONNECT, is too large, or came too late.
 */
export function readOpening(client: Duplex, { deadlineMs, signal }: OpeningOptions): Promise<Opening | undefined> {
  return new Promise((resolve, reject) => {
    const reading = new OpeningReader();
    const settle = (outcome: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', leave);
      client.off('data', take).off('end', leave).off('close', leave);
      client.pause();
      outcome();
    };
    const leave = (): void => settle(() => resolve(undefined));
    const late = (): void =>
      settle(() =>
        reject(reading.refused('connect-late', reasonCodes.unspecifiedError, 'no complete CONNECT came in time')),
      );
    const take = (chunk: Buffer): void => {
      try {
        const opening = reading.take(chunk);
        if (opening !== undefined) settle(() => resolve(opening));
      } catch (error) {
        settle(() => reject(error));
      }
    };
    const timer = setTimeout(late, deadlineMs);
    signal.addEventListener('abort', leave);
    client.on('data', take).once('end', leave).once('close', leave);
    if (signal.aborted || client.destroyed) leave();
  });
}

/** Puts a CONNECT together, and says what is wrong with it. */
class OpeningReader {
  private readonly packets = new PacketReader({
    sender: 'client',
    largestBytes: mostConnectBytes + mostWillBytes,
  });
  private head = Buffer.alloc(0);

  take(chunk: Buffer): Opening | undefined {
    if (this.head.length < mostHeadBytes)
      this.head = Buffer.concat([this.head, chunk.subarray(0, mostHeadBytes - this.head.length)]);
    try {
      this.packets.push(chunk);
      const connect = this.packets.next();
      if (connect?.type !== 'connect') return undefined;
      this.checkSize(connect);
      return { connect, frame: this.packets.frame, rest: this.packets.takeRest() };
    } catch (error) {
      throw error instanceof PacketError
        ? this.refused(connectRefusalOf(error), error.reasonCode, error.message)
        : error;
    }
  }

  refused(refusal: ConnectRefusal, reasonCode: number, detail: string): ConnectRefused {
    return new ConnectRefused(refusal, reasonCode, detail, { level: levelOf(this.head) });
  }

  private checkSize({ will }: ConnectPacket): void {
    const bytes = this.packets.frame.length - (will?.payload.length ?? 0);
    if (bytes <= mostConnectBytes) return;
    const text = `CONNECT has ${bytes} bytes without its will, and may have ${mostConnectBytes}`;
    throw new PacketError(text, reasonCodes.packetTooLarge);
  }
}
