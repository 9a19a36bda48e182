import { CoapError, contentFormats } from '@sallyport/coap-wire';
import type { JsonValue } from '@sallyport/store';
import { decodeCbor, encodeCbor } from '../../cbor/cbor.js';
import type { AcceptedFormat } from '../../sessions/representation.js';

/** The body of a request or an answer, as it came. */
export interface ReceivedContent {
  readonly contentFormat?: number | undefined;
  readonly payload: Buffer;
}

/** The body of a request or an answer as it is on the wire. */
export interface Content extends ReceivedContent {
  readonly contentFormat?: number;
  readonly payload: Buffer;
}

/** The one member of an object that stands for a byte string. JSON has none. */
const bytesMember = '$bytes';

/**
 * The body as JSON. CBOR byte strings are `{"$bytes": "<base64>"}`, and so is a whole body of another format; undefined
 * and numbers that JSON lacks are null.
 *
 * @returns undefined: there is no body
 * @throws CoapError `4.00`: it is not what its format says
 */
export function jsonOf({ contentFormat, payload }: ReceivedContent): JsonValue | undefined {
  if (payload.length === 0) return undefined;
  switch (contentFormat) {
    // Devices leave the format out; then it is what OCF devices speak.
    case undefined:
    case contentFormats.ocfCbor:
    case contentFormats.cbor:
      return jsonOfValue(decodeCbor(payload));
    case contentFormats.json:
      return parsedJson(payload);
    case contentFormats.text:
      return payload.toString('utf8').toWellFormed();
    default:
      return bytesOf(payload);
  }
}

/** JSON as it is, or as CBOR of OCF. What `jsonOf` made of a byte string becomes one again in CBOR. */
export function contentOf(json: JsonValue, contentFormat: AcceptedFormat = contentFormats.ocfCbor): Required<Content> {
  const isJson = contentFormat === contentFormats.json;
  return { contentFormat, payload: isJson ? Buffer.from(JSON.stringify(json)) : encodeCbor(cborValueOf(json)) };
}

/** Turns a decoded CBOR value into JSON. */
export function jsonOfValue(value: unknown): JsonValue {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (value instanceof Uint8Array) return bytesOf(value);
  if (Array.isArray(value)) return value.map(jsonOfValue);
  if (typeof value !== 'object' || value === null) return null;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, jsonOfValue(member)]));
}

/** Turns JSON into a value for CBOR. */
function cborValueOf(json: JsonValue | undefined): unknown {
  if (Array.isArray(json)) return json.map(cborValueOf);
  if (typeof json !== 'object' || json === null) return json;
  const members = Object.entries(json);
  const [[name, text] = []] = members;
  if (members.length === 1 && name === bytesMember && typeof text === 'string') return Buffer.from(text, 'base64');
  return Object.fromEntries(members.map(([key, member]) => [key, cborValueOf(member)]));
}

function bytesOf(bytes: Uint8Array): JsonValue {
  return { [bytesMember]: Buffer.from(bytes).toString('base64') };
}

function parsedJson(payload: Buffer): JsonValue {
  try {
    return JSON.parse(payload.toString('utf8'));
  } catch (cause) {
    throw new CoapError('4.00', 'the body is not JSON', { cause });
  }
}
