import { isUtf8 } from 'node:buffer';
import { malformed } from './packet-error.js';

// MQTT 5.0 §1.5.4 leaves control characters and noncharacters to the receiver. libmosquitto ends its connection when it
// receives them. One client could so cut off all others, thus nobody may send them.
const forbidden = /[\p{Cc}\p{Noncharacter_Code_Point}]/u;

/**
 * Decodes a UTF-8 string of a packet.
 *
 * @param field name of the string in the error
 * @throws PacketError for ill-formed UTF-8 and for characters that are forbidden here
 * @see MQTT 5.0 §1.5.4 [MQTT-1.5.4-1], [MQTT-1.5.4-2], [MQTT-1.5.4-3]
 */
export function decodeText(bytes: Buffer, field: string): string {
  if (isPrintableAscii(bytes)) return bytes.toString('latin1');
  if (!isUtf8(bytes)) throw malformed(`${field} is not well-formed UTF-8`);
  const text = bytes.toString('utf8');
  if (forbidden.test(text)) throw malformed(`${field} has U+0000, a control character or a noncharacter`);
  return text;
}

/** Strings of printable ASCII, which most are, need no further check. */
function isPrintableAscii(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte < 0x20 || byte > 0x7e) return false;
  }
  return true;
}
