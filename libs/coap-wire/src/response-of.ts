import { type Block, decodeBlock } from './blocks/block-option.js';
import { codeName, type ResponseCode, responseCodes } from './codes.js';
import { CoapError, type CoapResponse } from './exchange.js';
import { readKnownOptions } from './known-options.js';
import type { CoapMessage } from './message.js';
import type { OptionName } from './option-numbers.js';
import { decodeText, decodeUint } from './option-values.js';

/** One response message: a whole answer, or one block of it. */
export interface ReceivedResponse extends CoapResponse {
  readonly payload: Buffer;
  /** Which block of our request this answers. */
  readonly block1?: Block;
  /** Which part of the answer this is. */
  readonly block2?: Block;
  /** With 4.13: the largest body that the peer takes, in bytes. */
  readonly size1?: number;
  /** How large the peer says that the whole answer is, in bytes. Only a hint. */
  readonly size2?: number;
}

const nameByCode = new Map<number, ResponseCode>();
for (const name of Object.keys(responseCodes).filter(isResponseCode)) nameByCode.set(responseCodes[name], name);

function isResponseCode(name: string): name is ResponseCode {
  return Object.hasOwn(responseCodes, name);
}

/**
 * Reads an answer. Its buffers are views of the message's.
 *
 * @throws CoapError `5.02`: its code says nothing we know, or a critical option is unknown or malformed. RFC 7252 §5.4.1:
 *   such an answer is not used
 */
export function responseOf(message: CoapMessage): ReceivedResponse {
  const response = new ResponseParts(responseCodeOf(message.code), message.payload);
  readKnownOptions(message.options, '5.02', (name, value) => response.take(name, value));
  return response;
}

/** RFC 7252 §5.9: an unknown error counts as the first of its class. Nobody can tell what an unknown success means. */
function responseCodeOf(code: number): ResponseCode {
  const known = nameByCode.get(code);
  if (known !== undefined) return known;
  if (code >> 5 === 4) return '4.00';
  if (code >> 5 === 5) return '5.00';
  throw new CoapError('5.02', `the answer has unknown code ${codeName(code)}`);
}

class ResponseParts implements ReceivedResponse {
  contentFormat?: number;
  observe?: number;
  etag?: Buffer;
  maxAge?: number;
  locationPath?: string[];
  block1?: Block;
  block2?: Block;
  size1?: number;
  size2?: number;

  constructor(
    readonly code: ResponseCode,
    readonly payload: Buffer,
  ) {}

  take(name: OptionName, value: Buffer): void {
    switch (name) {
      case 'etag':
        this.etag ??= value;
        return;
      case 'locationPath':
        this.takeLocation(value);
        return;
      case 'block1':
        this.block1 = decodeBlock(decodeUint(value));
        return;
      case 'block2':
        this.block2 = decodeBlock(decodeUint(value));
        return;
      case 'contentFormat':
      case 'observe':
      case 'maxAge':
      case 'size1':
      case 'size2':
        this[name] = decodeUint(value);
        return;
    }
  }

  /** An elective option: one that is no UTF-8 is left out. */
  private takeLocation(value: Buffer): void {
    const segment = decodeText(value);
    if (segment !== undefined) this.locationPath = [...(this.locationPath ?? []), segment];
  }
}
