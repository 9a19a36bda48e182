import type { Duplex } from 'node:stream';
import { PacketMeter } from '@sallyport/embedded-broker';
import { passingRefusals, type RefusalReason } from '@sallyport/protocol';

/** Largest CONNECT that is read from a refused client: a will and a password have room in it. */
const mostConnectBytes = 16 * 1024;

/** MQTT 3.1.1 §3.1: the packet type CONNECT with its reserved flags. */
const connectHeader = 0x10;

/** Fixed header, protocol name with its length ("MQTT" or "MQIsdp"), protocol level. */
const mostHeadBytes = 1 + 4 + 2 + 6 + 1;

/**
 * Reads one CONNECT of a peer that is not admitted, answers that it may not connect, and ends the stream. Only the head
 * of the packet is kept. A peer that sends anything else is closed without an answer.
 *
 * @see MQTT 3.1.1 §3.2.2.3 (return codes), MQTT 5.0 §3.2.2.2 (reason codes)
 */
export function answerRefused(socket: Duplex, reason: RefusalReason): void {
  const meter = new PacketMeter(mostConnectBytes);
  let head = Buffer.alloc(0);
  let bytesRead = 0;
  const take = (bytes: Buffer): void => {
    head = Buffer.concat([head, bytes.subarray(0, mostHeadBytes - head.length)]);
    bytesRead += bytes.length;
    if (head[0] !== connectHeader || bytesRead > mostConnectBytes || !meter.accept(bytes)) {
      socket.destroy();
      return;
    }
    if (!meter.isBetweenPackets) return;
    socket.off('data', take);
    // Keep reading and ignore it. Closing with unread bytes sends a reset, which may overtake the answer.
    socket.resume().end(connack(levelOf(head), reason));
  };
  socket.on('error', () => socket.destroy());
  socket.on('data', take);
}

function levelOf(head: Buffer): number | undefined {
  const lengthBytes = head.subarray(1, 5).findIndex((byte) => byte < 0x80) + 1;
  const nameAt = 1 + lengthBytes + 2;
  const nameLength = head[nameAt - 1] ?? 0;
  return head[nameAt + nameLength];
}

function connack(level: number | undefined, reason: RefusalReason): Buffer {
  const isPassing = passingRefusals.has(reason);
  // 5.0: 0x88 server unavailable, 0x87 not authorized, and no properties; 3.1.1: 3 and 5.
  return level === 5
    ? Buffer.from([0x20, 3, 0, isPassing ? 0x88 : 0x87, 0])
    : Buffer.from([0x20, 2, 0, isPassing ? 3 : 5]);
}
