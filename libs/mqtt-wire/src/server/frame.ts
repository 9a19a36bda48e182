import { encodeAck } from '../encode.js';

/** A packet that can be copied into what is sent, with the packet identifier of its receiver. `PublishFrame` is one. */
export interface Frame {
  readonly byteLength: number;
  /** Returns the place behind it. */
  copyTo(target: Buffer, at: number, packetId: number): number;
  /** Bytes that may be sent without a copy, and do not change any more; undefined when it has to be copied. */
  lend?(packetId: number): Buffer | undefined;
}

/** A packet that is sent as it is. */
export function wholeFrame(bytes: Buffer): Frame {
  return {
    byteLength: bytes.length,
    copyTo: (target, at) => {
      target.set(bytes, at);
      return at + bytes.length;
    },
  };
}

/** Acknowledgements without a reason are four bytes in every version, and the most frequent packets. */
function shortAck(type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp'): Frame {
  const [first = 0] = encodeAck({ type, packetId: 1, reasonCode: 0, properties: undefined }, 4);
  return {
    byteLength: 4,
    copyTo: (target, at, packetId) => {
      target[at] = first;
      target[at + 1] = 2;
      target[at + 2] = packetId >> 8;
      target[at + 3] = packetId & 0xff;
      return at + 4;
    },
  };
}

export const pubackFrame = shortAck('puback');
export const pubrecFrame = shortAck('pubrec');
export const pubrelFrame = shortAck('pubrel');
export const pubcompFrame = shortAck('pubcomp');
