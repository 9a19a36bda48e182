import { connectReturnCode, reasonCodes } from '@sallyport/mqtt-wire';

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

/**
 * The CONNACK that tells a client why it may not connect, in the words of its version of MQTT.
 *
 * @param level of the protocol the client speaks; without it the client gets no answer
 * @param reasonCode of MQTT 5
 * @returns undefined where the version has no word for it: the client is closed without an answer
 * @see MQTT 3.1.1 §3.2.2.3, MQTT 5.0 §3.2.2.2
 */
export function refusingConnack(level: number | undefined, reasonCode: number): Buffer | undefined {
  if (level === undefined) return undefined;
  if (level === 5) return Buffer.from([0x20, 3, 0, reasonCode, 0]);
  // MQTT 3.1.1 [MQTT-3.1.2-2]: to a version that is not served, the server answers as a 3.1.1 server does.
  const returnCode = connectReturnCode(reasonCode);
  return returnCode === undefined ? undefined : Buffer.from([0x20, 2, 0, returnCode]);
}

/** The last words to a client of MQTT 5 whose connection ends because the door closes (MQTT 5.0 §3.14). */
export const shuttingDown = Buffer.from([0xe0, 2, reasonCodes.serverShuttingDown, 0]);
