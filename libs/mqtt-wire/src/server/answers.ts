import { encodeAck, encodeConnack, encodeConnectRefusal, encodeGrants, encodeReason } from '../encode.js';
import type { AckPacket, ProtocolVersion } from '../packets.js';
import type { Properties } from '../properties.js';
import { reasonCodes } from '../reason-codes.js';
import { type Frame, pubackFrame, pubcompFrame, pubrecFrame, pubrelFrame, wholeFrame } from './frame.js';

/** SUBACK of MQTT 3.1.1: this subscription failed. */
const failure = 0x80;

const shortAcks = { puback: pubackFrame, pubrec: pubrecFrame, pubrel: pubrelFrame, pubcomp: pubcompFrame } as const;

/** What a server answers, in the words of the client's version of MQTT. The older versions know fewer. */
export class Answers {
  constructor(private readonly version: ProtocolVersion) {}

  connack(sessionPresent: boolean, properties: Properties): Frame {
    const connack = { type: 'connack', sessionPresent, reasonCode: reasonCodes.success, properties } as const;
    return wholeFrame(encodeConnack(connack, this.version));
  }

  /**
   * Refuses a CONNECT.
   *
   * @returns undefined when the version has no word for it; the connection is then closed without an answer
   */
  refusal(reasonCode: number): Frame | undefined {
    const connack = encodeConnectRefusal(this.version, reasonCode);
    return connack && wholeFrame(connack);
  }

  /** Acknowledges, or refuses where the version can say so. The frame is sent with the packet identifier. */
  ack(type: AckPacket['type'], packetId: number, reasonCode: number): Frame {
    if (this.version !== 5 || reasonCode === reasonCodes.success) return shortAcks[type];
    return wholeFrame(encodeAck({ type, packetId, reasonCode, properties: undefined }, 5));
  }

  suback(packetId: number, codes: readonly number[]): Frame {
    const granted = this.version === 5 ? codes : codes.map((code) => Math.min(code, failure));
    const suback = { type: 'suback', packetId, reasonCodes: granted, properties: undefined } as const;
    return wholeFrame(encodeGrants(suback, this.version));
  }

  unsuback(packetId: number, codes: readonly number[]): Frame {
    const unsuback = { type: 'unsuback', packetId, reasonCodes: codes, properties: undefined } as const;
    return wholeFrame(encodeGrants(unsuback, this.version));
  }

  /** The last word to a client; undefined where the version has none (MQTT 5.0 §3.14). */
  disconnect(reasonCode: number): Frame | undefined {
    if (this.version !== 5) return undefined;
    return wholeFrame(encodeReason({ type: 'disconnect', reasonCode, properties: undefined }, 5));
  }
}
