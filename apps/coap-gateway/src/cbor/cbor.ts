import { CoapError } from '@sallyport/coap-wire';
import { decode, encode } from 'cborg';
import { CborFault, type CborLimits, CborScan } from './scan-cbor.js';

/** What a body of OCF holds: the values of JSON, and byte strings. */
export type CborValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly CborValue[]
  | { readonly [key: string]: CborValue };

/** For all that devices publish, and far from what would stop a process. */
const defaultLimits: CborLimits = { deepest: 32, mostItems: 32_768 };

/**
 * Reads the body of a device (RFC 8949). Maps may come with a length or with a break. Integers are as precise as those of JSON.
 *
 * @throws CoapError `4.00`: `cbor: …`. The text has nothing of the body.
 */
export function decodeCbor(body: Buffer, limits: Partial<CborLimits> = {}): CborValue {
  try {
    new CborScan(body, { ...defaultLimits, ...limits }).run();
    return decode(body, {
      allowBigInt: false,
      allowInfinity: false,
      allowNaN: false,
      allowUndefined: false,
      rejectDuplicateMapKeys: true,
    });
  } catch (error) {
    throw new CoapError('4.00', `cbor: ${faultOf(error)}`, { cause: error });
  }
}

/** A message of the decoder may quote the body, which can hold a token. What it refuses after the scan is little. */
function faultOf(error: unknown): string {
  return error instanceof CborFault
    ? error.message
    : 'a map has a key twice, or a number is no finite number or an integer above 2^53';
}

/**
 * Writes a body. Keys of maps are in the order of RFC 7049 §3.9; those whose value is undefined are left out.
 *
 * @param value as `CborValue`; anything else throws
 */
export function encodeCbor(value: unknown): Buffer {
  const bytes = encode(value, { ignoreUndefinedProperties: true });
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
