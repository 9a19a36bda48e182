import type { Body, BodySink } from './body.js';

/** The reader that a body comes from. */
export interface BodySource {
  /** The sink of this body takes pieces now. */
  readOn(body: IncomingBody): void;
  /** Nobody wants the rest of this body. */
  discard(body: IncomingBody): void;
}

/** A body that comes from a connection. */
export class IncomingBody implements Body {
  readonly isReplayable = false;
  private sink: BodySink | undefined;
  private state: 'open' | 'complete' | 'failed' | 'cancelled' = 'open';
  private failure: Error | undefined;
  private isWaiting = false;
  /** The sink has not been told yet what there is. */
  private isNew = false;
  private hasEnded = false;

  constructor(
    readonly length: number | undefined,
    private readonly source: BodySource,
  ) {}

  /** The sink takes pieces now, or nobody wants them. */
  get takesPieces(): boolean {
    return this.state === 'cancelled' || (this.sink !== undefined && !this.isWaiting);
  }

  /** The sink has asked to wait. */
  get isBlocked(): boolean {
    return this.state === 'open' && this.isWaiting;
  }

  /** All of it has come, wanted or not. */
  get isWhole(): boolean {
    return this.hasEnded;
  }

  flow(sink: BodySink): void {
    if (this.state === 'cancelled') return;
    if (this.state === 'complete') sink.end();
    else if (this.failure !== undefined) sink.fail(this.failure);
    else {
      this.sink = sink;
      this.isNew = true;
      this.source.readOn(this);
    }
  }

  resume(): void {
    if (!this.isWaiting) return;
    this.isWaiting = false;
    if (this.state === 'open') this.source.readOn(this);
  }

  cancel(): void {
    if (this.state !== 'open') return;
    this.state = 'cancelled';
    this.source.discard(this);
  }

  // The rest is for the reader.

  write(piece: Buffer): void {
    if (this.state === 'open') this.sink?.write(piece);
  }

  flush(): void {
    this.isNew = false;
    if (this.state === 'open' && this.sink?.flush() === false) this.isWaiting = true;
  }

  /** Tells a new sink that nothing is here yet. */
  flushNew(): void {
    if (this.isNew) this.flush();
  }

  complete(): void {
    this.hasEnded = true;
    if (this.state !== 'open') return;
    this.state = 'complete';
    const { sink } = this;
    this.sink = undefined;
    sink?.end();
  }

  fail(error: Error): void {
    if (this.state !== 'open') return;
    this.state = 'failed';
    this.failure = error;
    this.sink?.fail(error);
  }
}
