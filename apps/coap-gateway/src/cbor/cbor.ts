import { CoapError } from '@sallyport/coap-wire';
import { decode, encode } from 'cborg';

/**
 * Reads one CBOR value (RFC 8949) from a payload: no tags, no key twice, nothing after it.
 *
 * @throws CoapError `4.00`: the payload is something else
 */
export function decodeCbor(payload: Buffer): unknown {
  try {
    return decode(payload, { rejectDuplicateMapKeys: true, allowBigInt: false });
  } catch (cause) {
    throw new CoapError('4.00', `cbor: ${cause instanceof Error ? cause.message : 'not readable'}`, { cause });
  }
}

export function encodeCbor(value: unknown): Buffer {
  return Buffer.from(encode(value));
}
