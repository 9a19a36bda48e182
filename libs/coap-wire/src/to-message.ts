import { type Block, encodeBlock } from './blocks/block-option.js';
import { methods, responseCodes } from './codes.js';
import { CoapError, type CoapResponse, type OutgoingRequest } from './exchange.js';
import type { CoapMessage, CoapOption } from './message.js';
import { optionNumbers } from './option-numbers.js';
import { encodeUint } from './option-values.js';

/** What the endpoint adds to a request. */
export interface RequestEnvelope {
  readonly token: Buffer;
  /** RFC 7641: 0 registers, 1 deregisters. */
  readonly observe?: number;
  readonly block1?: Block;
  readonly block2?: Block;
  readonly size1?: number;
  readonly requestTag?: Buffer;
}

/** What the endpoint adds to an answer. */
export interface ResponseEnvelope {
  readonly token: Buffer;
  readonly block1?: Block;
  readonly block2?: Block;
  readonly size1?: number;
  readonly size2?: number;
}

const empty = Buffer.alloc(0);
const longestTextBytes = 255;

/** @throws CoapError `4.00`: a segment of path or query is longer than 255 bytes */
export function messageOfRequest(request: OutgoingRequest, envelope: RequestEnvelope): CoapMessage {
  const options: CoapOption[] = [];
  for (const etag of request.etags ?? []) options.push({ number: optionNumbers.etag, value: etag });
  addUint(options, optionNumbers.observe, envelope.observe);
  addTexts(options, optionNumbers.uriPath, request.path);
  addUint(options, optionNumbers.contentFormat, request.contentFormat);
  addTexts(options, optionNumbers.uriQuery, request.query);
  addUint(options, optionNumbers.accept, request.accept);
  addBlock(options, optionNumbers.block2, envelope.block2);
  addBlock(options, optionNumbers.block1, envelope.block1);
  addUint(options, optionNumbers.size1, envelope.size1);
  if (envelope.requestTag !== undefined) options.push({ number: optionNumbers.requestTag, value: envelope.requestTag });
  return { code: methods[request.method], token: envelope.token, options, payload: request.payload ?? empty };
}

/** @throws CoapError `4.00`: a segment of the location is longer than 255 bytes */
export function messageOfResponse(response: CoapResponse, envelope: ResponseEnvelope): CoapMessage {
  const options: CoapOption[] = [];
  if (response.etag !== undefined) options.push({ number: optionNumbers.etag, value: response.etag });
  addUint(options, optionNumbers.observe, response.observe);
  addTexts(options, optionNumbers.locationPath, response.locationPath);
  addUint(options, optionNumbers.contentFormat, response.contentFormat);
  addUint(options, optionNumbers.maxAge, response.maxAge);
  addBlock(options, optionNumbers.block2, envelope.block2);
  addBlock(options, optionNumbers.block1, envelope.block1);
  addUint(options, optionNumbers.size2, envelope.size2);
  addUint(options, optionNumbers.size1, envelope.size1);
  return { code: responseCodes[response.code], token: envelope.token, options, payload: response.payload ?? empty };
}

/** The answer that tells a peer about a fault: code and diagnostic payload, without Content-Format (RFC 7252 §5.5.2). */
export function responseOfError(error: CoapError): CoapResponse {
  return { code: error.code, payload: Buffer.from(error.diagnostic) };
}

function addUint(options: CoapOption[], number: number, value: number | undefined): void {
  if (value !== undefined) options.push({ number, value: encodeUint(value) });
}

function addBlock(options: CoapOption[], number: number, block: Block | undefined): void {
  if (block !== undefined) options.push({ number, value: encodeBlock(block) });
}

function addTexts(options: CoapOption[], number: number, texts: readonly string[] = []): void {
  for (const text of texts) {
    const value = Buffer.from(text);
    if (value.length > longestTextBytes)
      throw new CoapError('4.00', `option ${number} has ${value.length} bytes; the most is ${longestTextBytes}`);
    options.push({ number, value });
  }
}
