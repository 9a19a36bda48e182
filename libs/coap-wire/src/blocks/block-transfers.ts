import type { PeerCapabilities } from '../endpoint/peer-capabilities.js';
import type { CoapRequest, CoapResponse } from '../exchange.js';
import type { CoapMessage } from '../message.js';
import type { ReceivedRequest } from '../request-of.js';
import { BlockDownloads } from './block-downloads.js';
import type { BlockMemory } from './block-memory.js';
import { BlockUploads } from './block-uploads.js';

export interface BlockTransferOptions {
  /** Of all connections. */
  readonly memory: BlockMemory;
  /** Largest body of a request, in bytes. */
  readonly largestBodyBytes: number;
  /** How long a body waits for its next block, in milliseconds; at most twice as long. */
  readonly lifetimeMs: number;
  readonly peer: PeerCapabilities;
}

/** What a request message leads to: a whole request to serve, or an answer at once. */
export type Received = { readonly request: CoapRequest } | { readonly answer: CoapMessage };

/**
 * Block-wise transfers of one connection, in the part of the server (RFC 7959, RFC 8323 §6).
 *
 * ```ts
 * const message = requestOf(frame);
 * const received = transfers.receive(message);
 * write('answer' in received ? received.answer : transfers.answer(message, await serve(received.request)));
 * ```
 */
export class BlockTransfers {
  private readonly uploads: BlockUploads;
  private readonly downloads: BlockDownloads;
  private readonly largestBodyBytes: number;

  constructor(options: BlockTransferOptions) {
    this.uploads = new BlockUploads(options);
    this.downloads = new BlockDownloads(options);
    this.largestBodyBytes = options.largestBodyBytes;
  }

  /** Takes a request message: a whole request, the next block of one, or a wish for the next block of an answer. */
  receive(request: ReceivedRequest): Received {
    const { block1, block2, payload } = request;
    if (block1 !== undefined) return this.uploads.receive(request, block1);
    if (payload.length > this.largestBodyBytes) return this.uploads.tooLarge(request);
    const answer = block2 === undefined ? undefined : this.downloads.next(request, block2);
    return answer === undefined ? { request } : { answer };
  }

  /**
   * The message that answers a request: the whole response, or one block of it.
   *
   * @param request what `receive` took last: its token, block options and path count
   */
  answer(request: ReceivedRequest, response: CoapResponse): CoapMessage {
    return this.downloads.answer(request, response);
  }

  /** The message that notifies a peer that observes us: the whole response, or its first block. */
  notification(token: Buffer, response: CoapResponse): CoapMessage {
    return this.downloads.notification(token, response);
  }

  /** The connection is gone: forgets all. */
  close(): void {
    this.uploads.close();
    this.downloads.close();
  }
}
