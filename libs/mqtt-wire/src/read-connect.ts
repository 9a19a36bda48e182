import type { Readable } from 'node:stream';
import { PacketReader } from './packet-reader.js';
import type { ConnectPacket } from './packets.js';

export interface ReadConnectOptions {
  /** Largest CONNECT with its fixed header, in bytes. */
  readonly largestBytes: number;
  /** Ends the wait, for example at a deadline. */
  readonly signal: AbortSignal;
}

/** A CONNECT, and what the client has already sent behind it. */
export interface FirstPacket {
  readonly connect: ConnectPacket;
  /** The packet as the client sent it. */
  readonly frame: Buffer;
  readonly rest: Buffer;
}

/**
 * Reads the first packet of a client from its stream. The stream is then paused, and `rest` is not put back.
 *
 * @returns undefined when the stream ended before a whole packet came
 * @throws PacketError when the first packet is no CONNECT, or must not be served
 * @throws the reason of the signal, or the error of the stream
 */
export async function readConnect(
  stream: Readable,
  { largestBytes, signal }: ReadConnectOptions,
): Promise<FirstPacket | undefined> {
  signal.throwIfAborted();
  const reader = new PacketReader({ sender: 'client', largestBytes });
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void) => {
      // In the same step as the last chunk: what comes later belongs to the next listener.
      stream.pause();
      stream.off('data', receive).off('end', finish).off('close', finish).off('error', fail);
      signal.removeEventListener('abort', abort);
      outcome();
    };
    const receive = (chunk: Buffer) => {
      try {
        const first = takeConnect(reader, chunk);
        if (first !== undefined) settle(() => resolve(first));
      } catch (error) {
        fail(error);
      }
    };
    const finish = () => settle(() => resolve(undefined));
    const fail = (error: unknown) => settle(() => reject(error));
    const abort = () => fail(signal.reason);
    stream.on('data', receive).on('end', finish).on('close', finish).on('error', fail);
    signal.addEventListener('abort', abort);
  });
}

function takeConnect(reader: PacketReader, chunk: Buffer): FirstPacket | undefined {
  reader.push(chunk);
  const connect = reader.next();
  return connect?.type === 'connect' ? { connect, frame: reader.frame, rest: reader.takeRest() } : undefined;
}
