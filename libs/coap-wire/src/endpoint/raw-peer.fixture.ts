import { type Duplex, duplexPair } from 'node:stream';
import { encodeMessage } from '../encode-message.js';
import { FrameReader } from '../frame-reader.js';
import type { CoapMessage } from '../message.js';
import { CoapEndpoint, type CoapEndpointOptions } from './coap-endpoint.js';

/** A peer that sends exactly the bytes of a test, and shows each message that comes back. */
export class RawPeer {
  /** True when the endpoint has closed its side. */
  isFinished = false;
  private readonly reader = new FrameReader({ largestBytes: 16_777_216 });
  private readonly messages: CoapMessage[] = [];
  private readonly waiting: ((message: CoapMessage) => void)[] = [];

  constructor(readonly stream: Duplex) {
    stream.on('data', (chunk: Buffer) => this.receive(chunk));
    stream.on('end', () => {
      this.isFinished = true;
      stream.end();
    });
    stream.on('error', () => undefined);
  }

  /** Messages that no `next` has taken. */
  get unread(): readonly CoapMessage[] {
    return this.messages;
  }

  /** @param hex with spaces anywhere */
  sendHex(hex: string): void {
    this.stream.write(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));
  }

  send(message: Partial<CoapMessage> & { readonly code: number }): void {
    const empty = Buffer.alloc(0);
    this.stream.write(encodeMessage({ token: empty, options: [], payload: empty, ...message }));
  }

  next(): Promise<CoapMessage> {
    const message = this.messages.shift();
    if (message !== undefined) return Promise.resolve(message);
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** The next message as a frame in hex. */
  async nextHex(): Promise<string> {
    return encodeMessage(await this.next()).toString('hex');
  }

  private receive(chunk: Buffer): void {
    this.reader.push(chunk);
    for (let message = this.reader.next(); message !== undefined; message = this.reader.next()) {
      const waiting = this.waiting.shift();
      if (waiting === undefined) this.messages.push(message);
      else waiting(message);
    }
  }
}

/** An endpoint and its raw peer, which has read the endpoint's CSM and sent its own. */
export async function endpointAndPeer(options: CoapEndpointOptions = {}): Promise<[CoapEndpoint, RawPeer]> {
  const [here, there] = duplexPair();
  const peer = new RawPeer(there);
  const endpoint = new CoapEndpoint(here, options);
  await peer.next();
  peer.sendHex('50 e1 23 80 01 00 20');
  await endpoint.opened;
  return [endpoint, peer];
}
