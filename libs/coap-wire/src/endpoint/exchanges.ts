import { CoapError } from '../exchange.js';
import type { CoapMessage } from '../message.js';

/** Makes the message of a request, with the token that was chosen for it. */
export type MessageMaker = (token: Buffer) => CoapMessage;

/** Takes the answers that come for one token. */
export interface AnswerTaker {
  take(answer: CoapMessage): void;
  /** No answer comes any more. */
  end(error: CoapError): void;
}

const tokenBytes = 4;
const tokenCount = 0x1_0000_0000;

/**
 * Our requests that an answer may come for, by token. The tokens of the peer's requests are another space (RFC 8323 §3.2
 * leaves them to each sender), so an answer is looked for only here.
 */
export class Exchanges {
  private readonly takerByToken = new Map<number, AnswerTaker>();
  private lastToken = 0;
  private ending: CoapError | undefined;

  constructor(private readonly send: (message: CoapMessage) => boolean) {}

  get isIdle(): boolean {
    return this.takerByToken.size === 0;
  }

  /** Enters a taker, with a new token. @throws CoapError `5.03`: the connection has ended */
  enter(taker: AnswerTaker): number {
    if (this.ending !== undefined) throw this.ending;
    do this.lastToken = (this.lastToken + 1) % tokenCount;
    while (this.takerByToken.has(this.lastToken));
    this.takerByToken.set(this.lastToken, taker);
    return this.lastToken;
  }

  /** Gives the answers for this token to another taker. */
  replace(token: number, taker: AnswerTaker): void {
    this.takerByToken.set(token, taker);
  }

  /** A later answer with this token is ignored. */
  leave(token: number): void {
    this.takerByToken.delete(token);
  }

  /** @throws CoapError `5.03`: the connection has ended; or what the maker throws */
  write(token: number, make: MessageMaker): void {
    const bytes = Buffer.allocUnsafe(tokenBytes);
    bytes.writeUInt32BE(token);
    if (!this.send(make(bytes))) throw this.ending ?? new CoapError('5.03', 'the connection is closing');
  }

  /** One request and its one answer. @throws the reason of the signal; CoapError `5.03`: the connection ended first */
  async ask(make: MessageMaker, signal: AbortSignal): Promise<CoapMessage> {
    signal.throwIfAborted();
    let token: number | undefined;
    let stop: (() => void) | undefined;
    try {
      return await new Promise((resolve, reject) => {
        stop = () => reject(signal.reason);
        signal.addEventListener('abort', stop);
        token = this.enter({ take: resolve, end: reject });
        this.write(token, make);
      });
    } finally {
      if (stop !== undefined) signal.removeEventListener('abort', stop);
      if (token !== undefined) this.leave(token);
    }
  }

  /** Gives an answer to its taker. One that comes late, or after the end of its observation, has none and is ignored. */
  answer(message: CoapMessage): void {
    if (message.token.length !== tokenBytes) return;
    this.takerByToken.get(message.token.readUInt32BE())?.take(message);
  }

  /** Nobody gets an answer any more. */
  end(error: CoapError): void {
    if (this.ending !== undefined) return;
    this.ending = error;
    const takers = [...this.takerByToken.values()];
    this.takerByToken.clear();
    for (const taker of takers) taker.end(error);
  }
}
