/** One option of a message, as it is on the wire (RFC 7252 §3.1). */
export interface CoapOption {
  readonly number: number;
  readonly value: Buffer;
}

/** One message of CoAP over TCP (RFC 8323 §3.2): no version, type or message id. */
export interface CoapMessage {
  /** The code byte: `0x01` is GET, `0x45` is 2.05, `0xe1` is CSM, 0 is an empty message. */
  readonly code: number;
  /** 0 to 8 bytes. */
  readonly token: Buffer;
  /** Sorted by number. Options of one number are in the order of the sender. */
  readonly options: readonly CoapOption[];
  /** Empty without a payload. */
  readonly payload: Buffer;
}

/** What a message is. An `empty` one is ignored (RFC 8323 §3.4). */
export type MessageKind = 'empty' | 'request' | 'response' | 'signal';

/**
 * Tells what a message is by the class of its code.
 *
 * Classes 1, 3 and 6 are reserved. They count as requests, so their sender learns with 4.05 that nothing serves them.
 */
export function kindOf({ code }: Pick<CoapMessage, 'code'>): MessageKind {
  if (code === 0) return 'empty';
  const codeClass = code >> 5;
  if (codeClass === 7) return 'signal';
  return codeClass === 2 || codeClass === 4 || codeClass === 5 ? 'response' : 'request';
}
