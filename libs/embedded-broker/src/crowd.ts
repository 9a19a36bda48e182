import type { BrokerLimits } from './limits.js';

interface Part {
  messages: number;
  bytes: number;
}

function change(part: Part, messages: number, bytes: number): void {
  part.messages += messages;
  part.bytes += bytes;
}

/**
 * What waits for one client, by the owners of its publishers, and the publishers that wait until there is less.
 *
 * Only a publisher that fills the queue beyond its fair part waits, so a client that is only slower than its publisher
 * loses nothing. Nobody else is held up, and nobody waits for a client that makes no progress.
 */
export class Crowd {
  private readonly partByOwner = new Map<string, Part>();
  private readonly all: Part = { messages: 0, bytes: 0 };
  private readonly waiting = new Map<string, (() => void)[]>();
  private readonly relieved: string[] = [];
  private hasProgress = false;
  private isStalled = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly limits: BrokerLimits) {}

  /** Bytes of everything that waits. */
  get bytes(): number {
    return this.all.bytes;
  }

  /** Whether half of the room is used, and the owner uses more than its fair part of this half. */
  isFilledBy(owner: string): boolean {
    return this.isMoreThan(this.all, 1 / 2) && this.isMoreThan(this.partByOwner.get(owner), this.fairPart);
  }

  /** Whether publishers of the owner should wait: they fill the queue of a client that reads. */
  shouldHold(owner: string): boolean {
    return !this.isStalled && this.isFilledBy(owner);
  }

  /** A message of the owner waits for the client. */
  add(owner: string, bytes: number): void {
    const part = this.partByOwner.get(owner) ?? { messages: 0, bytes: 0 };
    this.partByOwner.set(owner, part);
    change(part, 1, bytes);
    change(this.all, 1, bytes);
  }

  /** The client has it, or it was dropped. */
  remove(owner: string, bytes: number): void {
    const part = this.partByOwner.get(owner);
    if (part === undefined) return;
    change(part, -1, -bytes);
    change(this.all, -1, -bytes);
    if (part.messages === 0) this.partByOwner.delete(owner);
    if (this.waiting.has(owner) && !this.isMoreThan(part, this.fairPart / 2)) this.relieved.push(owner);
  }

  /** @param release called once, when the publisher may go on */
  wait(owner: string, release: () => void): void {
    const waiting = this.waiting.get(owner);
    if (waiting === undefined) this.waiting.set(owner, [release]);
    else waiting.push(release);
    this.startTimer();
  }

  /** The client has read, or acknowledged. */
  noteProgress(): void {
    this.hasProgress = true;
    this.isStalled = false;
  }

  /** Lets those publishers go on of whose messages few are left. They publish at once. */
  releaseRelieved(): void {
    if (this.waiting.size > 0 && !this.isMoreThan(this.all, 1 / 4)) this.release();
    if (this.relieved.length > 0) for (const owner of this.relieved.splice(0)) this.releaseOwner(owner);
  }

  /** Lets all publishers go on. */
  release(): void {
    for (const owner of [...this.waiting.keys()]) this.releaseOwner(owner);
  }

  /** As a part of the whole room. */
  private get fairPart(): number {
    return 1 / 2 / this.partByOwner.size;
  }

  private isMoreThan(part: Part | undefined, share: number): boolean {
    if (part === undefined) return false;
    const { queuedMessages, queuedBytes } = this.limits;
    return part.messages > share * queuedMessages || part.bytes > share * queuedBytes;
  }

  private releaseOwner(owner: string): void {
    const waiting = this.waiting.get(owner);
    if (waiting === undefined) return;
    this.waiting.delete(owner);
    if (this.waiting.size === 0) {
      clearTimeout(this.timer);
      this.timer = undefined;
    }
    for (const release of waiting) release();
  }

  private startTimer(): void {
    this.timer ??= setTimeout(() => this.check(), this.limits.crowdMs).unref();
  }

  private check(): void {
    this.timer = undefined;
    if (this.hasProgress) {
      this.hasProgress = false;
      this.startTimer();
      return;
    }
    this.isStalled = true;
    this.release();
  }
}
