import type { CoapResponse } from '../exchange.js';
import type { CoapMessage } from '../message.js';
import type { ReceivedRequest } from '../request-of.js';
import { messageOfResponse } from '../to-message.js';
import { type Block, blockOffset } from './block-option.js';
import { hasBlockLength } from './block-size.js';
import type { BlockTransferOptions, Received } from './block-transfers.js';
import { GrowingBody } from './growing-body.js';
import { KeptBodies, transferKey } from './kept-bodies.js';

/** The blocks of a request that have come. */
class Upload extends GrowingBody {
  constructor(readonly contentFormat: number | undefined) {
    super();
  }
}

/** Puts the requests of one connection together from their blocks (Block1, RFC 7959 §2.5). */
export class BlockUploads {
  private readonly bodies: KeptBodies<Upload>;
  private readonly largestBodyBytes: number;

  constructor({ memory, lifetimeMs, largestBodyBytes }: BlockTransferOptions) {
    this.bodies = new KeptBodies(memory, lifetimeMs);
    this.largestBodyBytes = largestBodyBytes;
  }

  /** @param block1 of the request */
  receive(request: ReceivedRequest, block1: Block): Received {
    const { payload, size1 = 0 } = request;
    if (!hasBlockLength(block1, payload.length))
      return refused(request, '4.00', 'a block has another length than its Block1 option says');
    const key = keyOf(request);
    const offset = blockOffset(block1);
    if (offset === 0) this.bodies.drop(key);
    if (Math.max(size1, offset + payload.length) > this.largestBodyBytes) return this.tooLarge(request);
    if (offset === 0 && !block1.hasMore) return { request };
    const upload = offset === 0 ? new Upload(request.contentFormat) : this.bodies.remove(key);
    // RFC 7959 §2.9.2: a block is missing, or is of another body.
    if (upload === undefined || upload.bytes !== offset || upload.contentFormat !== request.contentFormat)
      return this.give(upload, refused(request, '4.08', 'the blocks before this one are not here: send all again'));
    return this.append(upload, request, block1);
  }

  /** RFC 7959 §2.9.3: with the size that is allowed. What has come of it is forgotten. */
  tooLarge(request: ReceivedRequest): Received {
    const { token } = request;
    this.bodies.drop(keyOf(request));
    const size1 = this.largestBodyBytes;
    return { answer: messageOfResponse(worded('4.13', `a request has at most ${size1} bytes`), { token, size1 }) };
  }

  close(): void {
    this.bodies.close();
  }

  private append(upload: Upload, request: ReceivedRequest, block1: Block): Received {
    const { token, payload } = request;
    if (!block1.hasMore) return this.give(upload, { request: { ...request, payload: upload.wholeWith(payload) } });
    if (!this.bodies.take(upload.capacityFor(payload.length) - upload.capacity))
      return this.give(upload, refused(request, '5.03', 'too many requests come in blocks: try again later'));
    upload.append(payload);
    this.bodies.put(keyOf(request), upload);
    return { answer: messageOfResponse({ code: '2.31' }, { token, block1 }) };
  }

  /** Gives the room of an upload back: it goes on as a request, or not at all. */
  private give(upload: Upload | undefined, received: Received): Received {
    if (upload !== undefined) this.bodies.give(upload.capacity);
    return received;
  }
}

/** Blocks of one body may have different tokens. RFC 9175 §3: its Request-Tag tells it from another body for the same resource. */
function keyOf({ method, path, query, requestTag }: ReceivedRequest): string {
  return transferKey([method, path, query, requestTag?.toString('hex')]);
}

function refused({ token }: ReceivedRequest, code: CoapResponse['code'], words: string): { answer: CoapMessage } {
  return { answer: messageOfResponse(worded(code, words), { token }) };
}

function worded(code: CoapResponse['code'], words: string): CoapResponse {
  return { code, payload: Buffer.from(words) };
}
