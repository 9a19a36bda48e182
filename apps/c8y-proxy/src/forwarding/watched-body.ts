import type { Body, BodySink } from '@sallyport/http-wire';

/** Tells when a body has flowed, failed, or is not wanted any more. */
export class WatchedBody implements Body, BodySink {
  private sink: BodySink | undefined;
  private isOver = false;

  /** @param onOver called once */
  constructor(
    private readonly body: Body,
    private readonly onOver: () => void,
  ) {}

  get length(): number | undefined {
    return this.body.length;
  }

  get isReplayable(): boolean {
    return this.body.isReplayable;
  }

  flow(sink: BodySink): void {
    this.sink = sink;
    this.body.flow(this);
  }

  resume(): void {
    this.body.resume();
  }

  cancel(): void {
    this.leave();
    this.body.cancel();
  }

  // The body flows in here.

  write(piece: Buffer): void {
    this.sink?.write(piece);
  }

  flush(): boolean {
    return this.sink?.flush() ?? true;
  }

  end(): void {
    this.leave();
    this.sink?.end();
  }

  fail(error: Error): void {
    this.leave();
    this.sink?.fail(error);
  }

  private leave(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.onOver();
  }
}
