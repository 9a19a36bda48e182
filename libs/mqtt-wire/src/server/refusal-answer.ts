import type { Duplex } from 'node:stream';
import { passingRefusals, type RefusalReason } from '@sallyport/protocol';
import { encodeConnectRefusal } from '../encode.js';
import { PacketError } from '../packet-error.js';
import { PacketReader } from '../packet-reader.js';
import type { ConnectPacket } from '../packets.js';
import { reasonCodes } from '../reason-codes.js';

/** Largest CONNECT that is read from a refused client: a will and a password have room in it. */
const mostConnectBytes = 16 * 1024;

/**
 * Reads one CONNECT of a peer that is not admitted, answers that it may not connect, and ends the stream. A peer that
 * sends anything else is closed without an answer.
 *
 * @see MQTT 3.1.1 §3.2.2.3 (return codes), MQTT 5.0 §3.2.2.2 (reason codes)
 */
export function answerRefused(socket: Duplex, reason: RefusalReason): void {
  const reader = new PacketReader({ sender: 'client', largestBytes: mostConnectBytes });
  const take = (bytes: Buffer): void => {
    const connect = connectIn(reader, bytes);
    if (connect === 'unreadable') socket.destroy();
    if (typeof connect !== 'object') return;
    socket.off('data', take);
    // Keep reading and ignore it. Closing with unread bytes sends a reset, which may overtake the answer.
    socket.resume().end(encodeConnectRefusal(connect.version, reasonCodeOfRefusal(reason)));
  };
  socket.on('error', () => socket.destroy());
  socket.on('data', take);
}

/** Undefined while CONNECT is not complete. */
function connectIn(reader: PacketReader, bytes: Buffer): ConnectPacket | 'unreadable' | undefined {
  try {
    reader.push(bytes);
    const packet = reader.next();
    return packet?.type === 'connect' ? packet : undefined;
  } catch (error) {
    if (error instanceof PacketError) return 'unreadable';
    throw error;
  }
}

/**
 * What a client is told in CONNACK when its peer is not admitted.
 *
 * @see MQTT 5.0 §3.2.2.2
 */
export function reasonCodeOfRefusal(reason: RefusalReason): number {
  if (reason === 'too-many-connections') return reasonCodes.quotaExceeded;
  return passingRefusals.has(reason) ? reasonCodes.serverUnavailable : reasonCodes.notAuthorized;
}
