import type { Duplex } from 'node:stream';

/** Something that waits in a gate. */
export interface Held {
  pass(): void;
  /** Instead of `pass`: it may never be passed on. */
  drop(): void;
}

/** Decides when something may be passed on. It keeps the order. */
export interface Gate {
  hold(held: Held): void;
}

export interface RelayOptions {
  readonly client: RelaySide;
  readonly broker: RelaySide;
  /** What the broker sends waits here. Absent: it is passed on at once. */
  readonly gate?: Gate;
  /** Sees each chunk on its way to the client. Absent: nobody looks at the bytes. */
  readonly onPassed?: (chunk: Buffer) => void;
  /** Called once, when both sides have closed. */
  readonly onClosed: () => void;
}

/** One end of a relay. */
export interface RelaySide {
  readonly stream: Duplex;
  /** Ends the stream behind what is written already. */
  readonly end: () => void;
}

/** What came before the relay began. */
export interface FirstBytes {
  readonly toBroker: readonly Buffer[];
  readonly toClient: readonly Buffer[];
}

/** After one side has ended, the other side has this long to take what is written, in milliseconds. */
const lastBytesMs = 5_000;

/** What waits for the end of the turn. With more, the side it comes from is paused. */
const mostGatheredBytes = 64 * 1024;

/** Work that is done once, at the end of a turn of the event loop. */
interface EndOfTurn {
  flush(): void;
}

/** Calls everything that was added in a turn of the event loop at its end: one immediate for all, not one for each. */
class TurnQueue {
  private due: EndOfTurn[] = [];

  add(work: EndOfTurn): void {
    if (this.due.length === 0) setImmediate(() => this.flush());
    this.due.push(work);
  }

  private flush(): void {
    const { due } = this;
    this.due = [];
    for (const work of due) work.flush();
  }
}

const turns = new TurnQueue();

/**
 * Passes the bytes of one session both ways, unread. A side is read only as fast as the other one takes it. When one
 * side ends, the other gets what was read, and then the end. When one side breaks, the other is closed.
 */
export class Relay {
  private readonly toBroker: OneWay;
  private readonly toClient: OneWay;
  private left = 2;

  constructor(private readonly options: RelayOptions) {
    const { client, broker, onPassed, gate } = options;
    this.toBroker = new OneWay(client, broker);
    this.toClient = new OneWay(broker, client, {
      ...(onPassed === undefined ? {} : { onPassed }),
      ...(gate === undefined ? {} : { gate }),
    });
    for (const { stream } of [client, broker]) stream.once('close', () => this.noteClosed());
  }

  /** Begins to pass bytes. Both sides are paused until then. */
  start({ toBroker, toClient }: FirstBytes): void {
    this.toBroker.start(toBroker);
    this.toClient.start(toClient);
  }

  /** Writes what has come for the client, and passes nothing more to it: somebody else says the last words. */
  stopToClient(): void {
    this.toClient.stop();
  }

  private noteClosed(): void {
    this.left -= 1;
    if (this.left === 0) this.options.onClosed();
  }
}

/** Bytes in one direction. What comes within one turn of the event loop is written at once. */
class OneWay {
  private readonly from: Duplex;
  private readonly to: Duplex;
  private gathered: Buffer[] = [];
  private gatheredBytes = 0;
  private heldBytes = 0;
  private hasEnded = false;
  private isStopped = false;

  constructor(
    { stream: from }: RelaySide,
    private readonly receiver: RelaySide,
    private readonly options: Pick<RelayOptions, 'onPassed' | 'gate'> = {},
  ) {
    this.from = from;
    this.to = receiver.stream;
    from.on('error', () => from.destroy());
    from.once('end', () => this.end());
    from.once('close', () => this.close());
    this.to.on('drain', () => from.resume());
  }

  start(first: readonly Buffer[]): void {
    for (const chunk of first) if (chunk.length > 0) this.take(chunk);
    if (this.from.destroyed) this.close();
    this.from.on('data', (chunk: Buffer) => this.take(chunk));
    this.from.resume();
  }

  stop(): void {
    this.flush();
    this.isStopped = true;
  }

  /** Writes what was gathered in this turn. */
  flush(): void {
    const { gathered } = this;
    const [first] = gathered;
    if (first === undefined) return;
    this.gathered = [];
    this.gatheredBytes = 0;
    const bytes = gathered.length === 1 ? first : Buffer.concat(gathered);
    if (this.options.gate === undefined) this.write(bytes);
    else this.hold(this.options.gate, bytes);
  }

  private write(bytes: Buffer): void {
    if (this.to.writable && !this.to.write(bytes)) this.from.pause();
  }

  private hold(gate: Gate, bytes: Buffer): void {
    this.heldBytes += bytes.length;
    if (this.heldBytes > mostGatheredBytes) this.from.pause();
    gate.hold({ pass: () => this.passHeld(bytes), drop: () => this.to.destroy() });
  }

  private passHeld(bytes: Buffer): void {
    this.heldBytes -= bytes.length;
    if (this.isStopped) return;
    if (this.heldBytes <= mostGatheredBytes) this.from.resume();
    this.options.onPassed?.(bytes);
    this.write(bytes);
  }

  private take(chunk: Buffer): void {
    if (this.isStopped) return;
    if (this.gathered.length === 0) turns.add(this);
    this.gathered.push(chunk);
    this.gatheredBytes += chunk.length;
    if (this.options.gate === undefined) this.options.onPassed?.(chunk);
    if (this.gatheredBytes > mostGatheredBytes) this.flush();
  }

  private end(): void {
    this.hasEnded = true;
    this.flush();
    const { gate } = this.options;
    if (gate === undefined) this.closeSoon();
    else gate.hold({ pass: () => this.closeSoon(), drop: () => this.to.destroy() });
  }

  /** A side that broke without an end was cut, or has gone: nothing of it is worth waiting for. */
  private close(): void {
    if (this.hasEnded) return;
    this.to.destroy();
  }

  private closeSoon(): void {
    const { to } = this;
    if (to.destroyed) return;
    if (to.writable) this.receiver.end();
    const cut = setTimeout(() => to.destroy(), lastBytesMs);
    to.once('close', () => clearTimeout(cut));
  }
}
