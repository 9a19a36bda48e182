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
 * Reads the body of a device (RFC 8949). Maps may come with a length or with a break. An integer that JavaScript does not
 * have is rounded, as JSON does; `undefined` is null.
 *
 * @throws CoapError `4.00`: `cbor: …`. The text has nothing of the body.
 */
export function decodeCbor(body: Buffer, limits: Partial<CborLimits> = {}): CborValue {
  const scan = new CborScan(body, { ...defaultLimits, ...limits });
  try {
    scan.run();
    const value = decode(body, { coerceUndefinedToNull: true, rejectDuplicateMapKeys: true });
    return scan.hasLongIntegers ? rounded(value) : value;
  } catch (error) {
    // The decoder's own words may quote the body, which can hold a token. After the scan it refuses nothing else.
    const fault = error instanceof CborFault ? error.message : 'a map has a key twice';
    throw new CoapError('4.00', `cbor: ${fault}`, { cause: error });
  }
}

function rounded(value: CborValue | bigint): CborValue {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (isArray(value)) return value.map(rounded);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, rounded(member)]));
}

/** `Array.isArray` does not narrow a readonly array. */
function isArray(value: CborValue): value is readonly CborValue[] {
  return Array.isArray(value);
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
