import { type Block, blockOffset, unitBytes } from '../blocks/block-option.js';
import { blockAt, hasBlockLength } from '../blocks/block-size.js';
import { GrowingBody } from '../blocks/growing-body.js';
import { CoapError, type OutgoingRequest } from '../exchange.js';
import { type ReceivedResponse, responseOf } from '../response-of.js';
import { messageOfRequest, type RequestEnvelope } from '../to-message.js';
import type { Exchanges } from './exchanges.js';
import type { PeerCapabilities } from './peer-capabilities.js';

export interface BlockRequestsOptions {
  readonly exchanges: Exchanges;
  readonly peer: PeerCapabilities;
  /** The largest body of an answer, in bytes. */
  readonly mostBytes: number;
}

type Parts = Omit<RequestEnvelope, 'token'>;

// A header with an extended length, the longest token, and the payload marker.
const frameOverheadBytes = 16;
const optionOverheadBytes = 5;

/** Our requests with their whole bodies: in blocks where the peer takes no larger messages (RFC 7959, RFC 8323 §6). */
export class BlockRequests {
  private uploads = 0;

  constructor(private readonly options: BlockRequestsOptions) {}

  /** Sends a request, and resolves with its answer and the whole body of it. */
  async ask(request: OutgoingRequest, signal: AbortSignal): Promise<ReceivedResponse> {
    const first = this.options.peer.takesWhole(sizeOf(request))
      ? await this.askOnce(request, {}, signal)
      : await this.upload(request, signal);
    return this.whole(request, first, signal);
  }

  /** Reads the blocks that follow the first of an answer. */
  async whole(request: OutgoingRequest, first: ReceivedResponse, signal: AbortSignal): Promise<ReceivedResponse> {
    if (first.block2?.hasMore !== true) return first;
    // Content-Format stays, though there is no body any more: go-coap, of plgd, finds the answer it goes on with by all
    // options but those of blocks. With another option it would carry out a POST a second time.
    const { payload: _, ...rest } = request;
    const body = new AnswerBody(first, this.options.mostBytes);
    for (let block = body.add(first); block !== undefined; ) {
      block = body.add(await this.askOnce(rest, { block2: block }, signal));
    }
    return { ...first, payload: body.whole };
  }

  private async askOnce(request: OutgoingRequest, parts: Parts, signal: AbortSignal): Promise<ReceivedResponse> {
    const { exchanges } = this.options;
    return responseOf(await exchanges.ask((token) => messageOfRequest(request, { ...parts, token }), signal));
  }

  /** @returns the answer to the last block, or to the one that the peer refused */
  private async upload(request: OutgoingRequest, signal: AbortSignal): Promise<ReceivedResponse> {
    const { peer } = this.options;
    const { payload: body } = request;
    if (body === undefined || !peer.isBlockWise)
      throw new CoapError('4.13', `the peer takes messages of ${peer.maxMessageBytes} bytes only`);
    const requestTag = this.nextTag();
    let [offset, sizeExponent] = [0, peer.blockExponent];
    for (;;) {
      const { block, payload } = blockAt(body, offset, { sizeExponent, bytes: peer.blockBytes(sizeExponent) });
      const parts = { block1: block, requestTag, ...(offset === 0 ? { size1: body.length } : {}) };
      const answer = await this.askOnce({ ...request, payload }, parts, signal);
      const wanted = answer.block1?.sizeExponent ?? sizeExponent;
      // RFC 7959 §2.9.3: the peer may refuse the first block for its size, and name a smaller one.
      const isTooLarge = answer.code === '4.13' && offset === 0 && wanted < sizeExponent;
      if (!isTooLarge && answer.code !== '2.31') return answer;
      if (!isTooLarge) offset += payload.length;
      if (offset === body.length) throw new CoapError('5.02', 'the peer asks for more than the whole body');
      sizeExponent = Math.min(sizeExponent, wanted);
    }
  }

  /** RFC 9175 §3: the peer must not mix the blocks of two bodies for one resource. */
  private nextTag(): Buffer {
    this.uploads = (this.uploads + 1) % 0x1_0000_0000;
    const tag = Buffer.allocUnsafe(4);
    tag.writeUInt32BE(this.uploads);
    return tag;
  }
}

function sizeOf({ path, query = [], payload, etags = [] }: OutgoingRequest): number {
  let bytes = frameOverheadBytes + (payload?.length ?? 0);
  for (const text of [...path, ...query]) bytes += optionOverheadBytes + Buffer.byteLength(text);
  for (const etag of etags) bytes += optionOverheadBytes + etag.length;
  return bytes + 4 * optionOverheadBytes;
}

/** The body of an answer, from its blocks in order. */
class AnswerBody extends GrowingBody {
  constructor(
    private readonly first: ReceivedResponse,
    private readonly mostBytes: number,
  ) {
    super();
  }

  /**
   * @returns the block to ask for next; undefined when the body is whole
   * @throws CoapError `4.13`: the body is too large; `5.02`: these are no blocks of one body
   */
  add(answer: ReceivedResponse): Block | undefined {
    const { block2, payload } = answer;
    if (block2 === undefined || answer.code !== this.first.code || !isSameTag(answer, this.first))
      throw new CoapError('5.02', 'the answer changed while its blocks were read');
    // An empty block would be asked for again for ever.
    const isEmpty = block2.hasMore && payload.length === 0;
    if (blockOffset(block2) !== this.bytes || isEmpty || !hasBlockLength(block2, payload.length))
      throw new CoapError('5.02', `block ${block2.number} of the answer is out of place`);
    if (this.bytes + payload.length > this.mostBytes)
      throw new CoapError('4.13', `the answer is larger than ${this.mostBytes} bytes`);
    this.append(payload);
    return block2.hasMore ? { ...block2, number: this.bytes / unitBytes(block2), hasMore: false } : undefined;
  }
}

function isSameTag(one: ReceivedResponse, other: ReceivedResponse): boolean {
  if (one.etag === undefined || other.etag === undefined) return one.etag === other.etag;
  return one.etag.equals(other.etag);
}
