import {
  CoapError,
  type CoapRequest,
  type CoapResponse,
  contentFormats,
  type ResponseCode,
} from '@sallyport/coap-wire';
import { z } from 'zod';
import { decodeCbor, encodeCbor } from '../cbor/cbor.js';

/** How an answer is written, as the request asks (RFC 7252 §5.10.4). */
export type Representation = (code: ResponseCode, body: object) => CoapResponse;

/** The content format of an answer: CBOR, of OCF or plain, or JSON. */
export type AcceptedFormat = (typeof contentFormats)['ocfCbor' | 'cbor' | 'json'];

/**
 * Reads which format the device wants, before anything is done for it.
 *
 * @throws CoapError `4.06`: one that we do not have
 */
export function acceptedFormat({ accept = contentFormats.ocfCbor }: Pick<CoapRequest, 'accept'>): AcceptedFormat {
  switch (accept) {
    case contentFormats.ocfCbor:
    case contentFormats.cbor:
    case contentFormats.json:
      return accept;
    default:
      throw new CoapError('4.06', `unsupported accept option ${accept}: use 10000, 60 or 50`);
  }
}

/** Writes answers in the format that the device wants. @throws CoapError as `acceptedFormat` */
export function representationFor(request: CoapRequest): Representation {
  const contentFormat = acceptedFormat(request);
  const write = (body: object): Buffer =>
    contentFormat === contentFormats.json ? Buffer.from(JSON.stringify(body)) : encodeCbor(body);
  return (code, body) => ({ code, contentFormat, payload: write(body) });
}

// Real devices send `null` for what they do not have.
const text = z.string().nullish();

/**
 * The fields of a body that are text, and `login`. OCF devices send more; that is left out. Bodies are CBOR whatever the
 * Content-Format says.
 */
const body = z.object({
  di: text,
  uid: text,
  accesstoken: text,
  authcode: text,
  authprovider: text,
  refreshtoken: text,
  login: z.boolean().nullish(),
});
export type SecBody = z.output<typeof body>;

/** @throws CoapError `4.00`: the payload is no CBOR map, or a field has the wrong type */
export function readSecBody({ payload }: CoapRequest): SecBody {
  const { data, error } = body.safeParse(decodeCbor(payload));
  if (data !== undefined) return data;
  const [field] = error.issues[0]?.path ?? [];
  const what = field === undefined ? 'the value into a map' : `the value of "${String(field)}"`;
  throw new CoapError('4.00', `cbor: cannot unmarshal ${what}`);
}

/** @throws CoapError `4.00`: the value is missing or empty */
export function requireText(value: string | null | undefined, fault: string): string {
  if (value !== undefined && value !== null && value !== '') return value;
  throw new CoapError('4.00', fault);
}
