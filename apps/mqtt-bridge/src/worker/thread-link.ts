import type { Transferable } from 'node:worker_threads';
import { within } from '@sallyport/concurrency';
import { z } from 'zod';

/** One end of a message port, or a worker. */
export interface ThreadPort {
  postMessage(message: unknown, transfer?: readonly Transferable[]): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

/** What a question is answered with. */
export interface Answer {
  readonly value?: unknown;
  /** Given away with the value. */
  readonly transfer?: readonly Transferable[];
}

const threadMessage = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ask'), id: z.number(), question: z.unknown() }),
  z.object({ kind: z.literal('answer'), id: z.number(), value: z.unknown() }),
  z.object({ kind: z.literal('fault'), id: z.number(), message: z.string() }),
]);

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (fault: Error) => void;
}

export interface AskOptions {
  readonly transfer?: readonly Transferable[];
  /** In milliseconds; default: as long as the other thread lives. */
  readonly deadlineMs?: number;
}

/** Questions and answers between two threads, both ways. Both ends are ours, so the types are a matter of trust. */
export class ThreadLink {
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;
  private closedBy: Error | undefined;

  /** @param answer answers what the other thread asks; a fault of it goes back as its message */
  constructor(
    private readonly port: ThreadPort,
    private readonly answer: (question: unknown) => Promise<Answer>,
  ) {
    port.on('message', (message) => this.take(message));
  }

  /**
   * Asks the other thread.
   *
   * @throws Error with the message of the fault over there; or the reason of `close`; or a deadline that passed
   */
  async ask<Value>(question: unknown, value: z.ZodType<Value>, options: AskOptions = {}): Promise<Value> {
    const { transfer = [], deadlineMs } = options;
    if (this.closedBy !== undefined) throw this.closedBy;
    this.lastId += 1;
    const id = this.lastId;
    const answered = new Promise<unknown>((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    this.port.postMessage({ kind: 'ask', id, question }, transfer);
    const late = () => new Error(`The other thread did not answer within ${deadlineMs} ms.`);
    try {
      return value.parse(await (deadlineMs === undefined ? answered : within(answered, deadlineMs, { late })));
    } finally {
      this.waiting.delete(id);
    }
  }

  /** The other thread has ended, so nobody answers. */
  close(reason: Error): void {
    this.closedBy = reason;
    for (const { reject } of this.waiting.values()) reject(reason);
    this.waiting.clear();
  }

  private take(given: unknown): void {
    const message = threadMessage.parse(given);
    if (message.kind === 'ask') {
      void this.reply(message.id, message.question);
      return;
    }
    const waiting = this.waiting.get(message.id);
    if (message.kind === 'answer') waiting?.resolve(message.value);
    else waiting?.reject(new Error(message.message));
  }

  private async reply(id: number, question: unknown): Promise<void> {
    try {
      const { value, transfer = [] } = await this.answer(question);
      this.port.postMessage({ kind: 'answer', id, value }, transfer);
    } catch (error) {
      this.port.postMessage({ kind: 'fault', id, message: error instanceof Error ? error.message : String(error) });
    }
  }
}
