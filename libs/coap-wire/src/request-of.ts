import { type Block, decodeBlock } from './blocks/block-option.js';
import { codeName, type Method, methods } from './codes.js';
import { CoapError, type CoapRequest } from './exchange.js';
import { readKnownOptions } from './known-options.js';
import type { CoapMessage } from './message.js';
import { type OptionName, optionNumbers } from './option-numbers.js';
import { decodeText, decodeUint } from './option-values.js';

/** One request message: a whole request, or one block of it. */
export interface ReceivedRequest extends CoapRequest {
  /** Which part of the request's body this is (RFC 7959 §2.1). */
  readonly block1?: Block;
  /** Which part of the answer is asked for. */
  readonly block2?: Block;
  /** How large the sender says that the whole body is, in bytes. Only a hint. */
  readonly size1?: number;
  /** RFC 9175 §3: tells apart bodies for one resource. */
  readonly requestTag?: Buffer;
}

const methodByCode = new Map<number, Method>([
  [methods.GET, 'GET'],
  [methods.POST, 'POST'],
  [methods.PUT, 'PUT'],
  [methods.DELETE, 'DELETE'],
]);

/**
 * Reads a request. Its buffers are views of the message's.
 *
 * @throws CoapError what the sender is answered: `4.05` unknown method; `4.02` a critical option that is unknown or
 *   malformed; `4.00` a path that names nothing; `5.05` for a proxy
 */
export function requestOf(message: CoapMessage): ReceivedRequest {
  const method = methodByCode.get(message.code);
  if (method === undefined) throw new CoapError('4.05', `unknown method ${codeName(message.code)}`);
  const request = new RequestParts(method, message);
  readKnownOptions(message.options, '4.02', (name, value) => request.take(name, value));
  return request;
}

/** The path of a request, also of one that cannot be read whole. */
export function pathOf({ options }: CoapMessage): string[] {
  return options.filter(({ number }) => number === optionNumbers.uriPath).map(({ value }) => value.toString());
}

class RequestParts implements ReceivedRequest {
  readonly path: string[] = [];
  readonly query: string[] = [];
  contentFormat?: number;
  accept?: number;
  observe?: number;
  etags?: Buffer[];
  readonly payload: Buffer;
  readonly token: Buffer;
  block1?: Block;
  block2?: Block;
  size1?: number;
  requestTag?: Buffer;

  constructor(
    readonly method: Method,
    { payload, token }: CoapMessage,
  ) {
    this.payload = payload;
    this.token = token;
  }

  take(name: OptionName, value: Buffer): void {
    switch (name) {
      case 'uriPath':
        this.path.push(pathSegment(value));
        return;
      case 'uriQuery':
        this.query.push(requiredText(value, name));
        return;
      case 'etag':
        this.etags = [...(this.etags ?? []), value];
        return;
      case 'requestTag':
        this.requestTag ??= value;
        return;
      case 'ifMatch':
      case 'ifNoneMatch':
        throw new CoapError('4.02', `conditional requests are not served: option ${optionNumbers[name]}`);
      case 'proxyUri':
      case 'proxyScheme':
        // RFC 7252 §5.10.2
        throw new CoapError('5.05', 'this is no proxy');
      default:
        this.takeNumber(name, value);
    }
  }

  /** Options that are not named here mean nothing to a server that is one host: Uri-Host, Uri-Port, the versions of OCF. */
  private takeNumber(name: OptionName, value: Buffer): void {
    switch (name) {
      case 'contentFormat':
        this.contentFormat = decodeUint(value);
        return;
      case 'accept':
        this.accept = decodeUint(value);
        return;
      case 'observe':
        // RFC 7641 §2: an Observe option of another method than GET is ignored.
        if (this.method === 'GET') this.observe = decodeUint(value);
        return;
      case 'block1':
        this.block1 = decodeBlock(decodeUint(value));
        return;
      case 'block2':
        this.block2 = decodeBlock(decodeUint(value));
        return;
      case 'size1':
        this.size1 = decodeUint(value);
        return;
    }
  }
}

function pathSegment(value: Buffer): string {
  const segment = requiredText(value, 'uriPath');
  // RFC 7252 §5.10.1 forbids "." and "..". "/" and nothing would name another resource once the path is one text.
  if (segment === '' || segment === '.' || segment === '..' || segment.includes('/'))
    throw new CoapError('4.00', `a Uri-Path must not be empty, "." or "..", or hold "/"`);
  return segment;
}

function requiredText(value: Buffer, name: OptionName): string {
  const text = decodeText(value);
  if (text === undefined) throw new CoapError('4.02', `critical option ${optionNumbers[name]} is not UTF-8`);
  return text;
}
