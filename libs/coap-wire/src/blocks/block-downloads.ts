import { encodedBytes } from '../encode-message.js';
import type { PeerCapabilities } from '../endpoint/peer-capabilities.js';
import { etagOf } from '../etag.js';
import { CoapError, type CoapResponse } from '../exchange.js';
import type { CoapMessage } from '../message.js';
import type { ReceivedRequest } from '../request-of.js';
import { messageOfResponse, responseOfError } from '../to-message.js';
import { type Block, bertExponent, blockOffset } from './block-option.js';
import { type BlockSize, blockAt } from './block-size.js';
import type { BlockTransferOptions } from './block-transfers.js';
import { KeptBodies, transferKey } from './kept-bodies.js';

/** An answer that its peer gets in blocks. */
interface KeptAnswer {
  readonly response: CoapResponse;
  readonly body: Buffer;
  readonly capacity: number;
}

// What it costs beside its body, so that many small answers cost what they take.
const keptAnswerBytes = 1_024;

/** Cuts answers into blocks, and keeps each until its last block is fetched (Block2, RFC 7959 §2.4). */
export class BlockDownloads {
  private readonly bodies: KeptBodies<KeptAnswer>;
  private readonly peer: PeerCapabilities;

  constructor({ memory, lifetimeMs, peer }: BlockTransferOptions) {
    this.bodies = new KeptBodies(memory, lifetimeMs);
    this.peer = peer;
  }

  /** The next block of an answer that is kept. Undefined: the request has to be served. */
  next(request: ReceivedRequest, block2: Block): CoapMessage | undefined {
    if (block2.number === 0) return undefined;
    const key = keyOf(request);
    const kept = this.bodies.remove(key);
    if (kept !== undefined) return this.deliver(request, kept);
    // A GET can be served again. What another method did must not be done twice.
    if (request.method === 'GET') return undefined;
    return inWords(request, new CoapError('4.08', 'the answer is not kept any more: send the request again'));
  }

  /** The whole answer in one message, or its block that the request asks for. */
  answer(request: ReceivedRequest, response: CoapResponse): CoapMessage {
    const { block2, token } = request;
    const whole = messageOfResponse(response, { token, ...echoOf(request) });
    if (block2 === undefined && this.peer.takesWhole(encodedBytes(whole))) return whole;
    // Only what is asked for comes in blocks: the words of an error never need them.
    if (!response.code.startsWith('2.') || whole.payload.length === 0) return whole;
    if (block2 === undefined && !this.peer.isBlockWise) return inWords(request, tooLargeFor(this.peer, whole));
    return this.begin(request, response, whole.payload);
  }

  /**
   * The message that notifies a peer: the whole response, or its first block. The peer fetches the others with a GET of
   * its own, which is served anew (RFC 7959 §3.4).
   */
  notification(token: Buffer, response: CoapResponse): CoapMessage {
    const whole = messageOfResponse(response, { token });
    if (this.peer.takesWhole(encodedBytes(whole)) || !response.code.startsWith('2.')) return whole;
    if (!this.peer.isBlockWise) return messageOfResponse(responseOfError(tooLargeFor(this.peer, whole)), { token });
    const { block, payload } = blockAt(whole.payload, 0, this.sizeOf(this.peer.blockExponent));
    const etag = response.etag ?? etagOf(whole.payload);
    return messageOfResponse({ ...response, payload, etag }, { token, block2: block, size2: whole.payload.length });
  }

  close(): void {
    this.bodies.close();
  }

  private begin(request: ReceivedRequest, response: CoapResponse, body: Buffer): CoapMessage {
    this.bodies.drop(keyOf(request));
    const capacity = keptAnswerBytes + body.length;
    if (!this.bodies.take(capacity))
      return inWords(request, new CoapError('5.03', 'too many answers are fetched in blocks: try again later'));
    // RFC 7959 §2.4: blocks of two answers are told apart by their ETag.
    const etag = response.etag ?? etagOf(body);
    return this.deliver(request, { response: { ...response, etag }, body, capacity });
  }

  /** Sends one block, and keeps the answer unless it was the last. */
  private deliver(request: ReceivedRequest, kept: KeptAnswer): CoapMessage {
    const { block2, token } = request;
    const offset = block2 === undefined ? 0 : blockOffset(block2);
    const sizeExponent = Math.min(this.peer.blockExponent, block2?.sizeExponent ?? bertExponent);
    const { block, payload } = blockAt(kept.body, offset, this.sizeOf(sizeExponent));
    if (block.hasMore) this.bodies.put(keyOf(request), kept);
    else this.bodies.give(kept.capacity);
    if (offset >= kept.body.length)
      return inWords(request, new CoapError('4.00', `the answer has no block ${block.number}`));
    const envelope = { token, ...echoOf(request), block2: block };
    // RFC 7959 §3.4: only the first block of a notification has its number.
    if (offset > 0) return messageOfResponse({ ...withoutObserve(kept.response), payload }, envelope);
    return messageOfResponse({ ...kept.response, payload }, { ...envelope, size2: kept.body.length });
  }

  private sizeOf(sizeExponent: number): BlockSize {
    return { sizeExponent, bytes: this.peer.blockBytes(sizeExponent) };
  }
}

/** RFC 7959 §2.3: the answer to a request that came in blocks says so. */
function echoOf({ block1 }: ReceivedRequest): { block1?: Block } {
  return block1 === undefined ? {} : { block1 };
}

function withoutObserve({ observe: _, ...response }: CoapResponse): CoapResponse {
  return response;
}

/** Not by token: each block may be fetched with its own. */
function keyOf({ method, path, query, accept }: ReceivedRequest): string {
  return transferKey([method, path, query, accept]);
}

function inWords({ token }: ReceivedRequest, error: CoapError): CoapMessage {
  return messageOfResponse(responseOfError(error), { token });
}

function tooLargeFor({ maxMessageBytes }: PeerCapabilities, { payload }: CoapMessage): CoapError {
  const text = `the answer has ${payload.length} bytes; you take messages of ${maxMessageBytes} bytes, and no blocks`;
  return new CoapError('5.00', text);
}
