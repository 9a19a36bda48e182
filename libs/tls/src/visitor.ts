import type { Socket } from 'node:net';

/** A TCP connection on its way to becoming a session; it has one deadline for all of that. */
export class Visitor {
  readonly raw: Socket;
  readonly remoteAddress: string;
  readonly #deadline: NodeJS.Timeout;
  #isLate = false;

  constructor(raw: Socket, deadlineMs: number) {
    this.raw = raw;
    this.remoteAddress = raw.remoteAddress ?? 'unknown';
    this.#deadline = setTimeout(() => {
      this.#isLate = true;
      raw.destroy();
    }, deadlineMs);
  }

  /** Whether it was closed because the deadline was over. */
  get isLate(): boolean {
    return this.#isLate;
  }

  /** Ends the deadline: the connection has arrived, or is gone. */
  settle(): void {
    clearTimeout(this.#deadline);
  }
}
