import { CoapError, contentFormats } from '@sallyport/coap-wire';
import type { JsonValue } from '@sallyport/store';
import { encodeCbor } from '../../cbor/cbor.js';
import { type Content, cborValueOf } from '../values/content.js';

/**
 * A kept value in the format that a device asks for.
 *
 * @throws CoapError `4.06`: one that we do not have
 */
export function contentIn(accept: number | undefined, value: JsonValue): Required<Content> {
  const contentFormat = accept ?? contentFormats.ocfCbor;
  switch (contentFormat) {
    case contentFormats.ocfCbor:
    case contentFormats.cbor:
      return { contentFormat, payload: encodeCbor(cborValueOf(value)) };
    case contentFormats.json:
      return { contentFormat, payload: Buffer.from(JSON.stringify(value)) };
    default:
      throw new CoapError('4.06', `unsupported accept option ${contentFormat}: use 10000, 60 or 50`);
  }
}
