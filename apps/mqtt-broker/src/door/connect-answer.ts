import { reasonCodes } from '@sallyport/mqtt-wire';

/** Fixed header, protocol name with its length ("MQTT" or "MQIsdp"), protocol level. */
export const mostHeadBytes = 1 + 4 + 2 + 6 + 1;

/**
 * The protocol level of a CONNECT, from its first bytes; undefined while they do not say it.
 *
 * @see MQTT 3.1.1 §3.1.2.2
 */
export function levelOf(head: Buffer): number | undefined {
  const lengthBytes = head.subarray(1, 5).findIndex((byte) => byte < 0x80) + 1;
  const nameAt = 1 + lengthBytes + 2;
  const nameLength = head[nameAt - 1] ?? 0;
  return head[nameAt + nameLength];
}

/** The last words to a client of MQTT 5 whose connection ends because the door closes (MQTT 5.0 §3.14). */
export const shuttingDown = Buffer.from([0xe0, 2, reasonCodes.serverShuttingDown, 0]);
