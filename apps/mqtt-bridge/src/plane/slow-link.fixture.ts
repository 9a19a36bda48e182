import { Duplex } from 'node:stream';

/** A stream on which a test holds back what is written. */
export class SlowLink extends Duplex {
  private isHeld = false;
  private waiting: (() => void) | undefined;

  constructor(private readonly inner: Duplex) {
    super();
    inner.on('data', (chunk) => this.push(chunk));
    inner.on('end', () => this.push(null));
    inner.on('error', (error) => this.destroy(error));
  }

  /** Whether something waits to be sent. */
  get isHolding(): boolean {
    return this.waiting !== undefined;
  }

  hold(): void {
    this.isHeld = true;
  }

  release(): void {
    this.isHeld = false;
    this.waiting?.();
    this.waiting = undefined;
  }

  override _read(): void {
    // What comes is pushed as it comes.
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const send = (): void => void this.inner.write(chunk, done);
    if (this.isHeld) this.waiting = send;
    else send();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.inner.destroy();
    done(error);
  }
}
