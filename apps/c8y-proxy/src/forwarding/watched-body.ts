import type { Body, BodySink } from '@sallyport/http-wire';

/** Tells when a body has flowed, failed, or is not wanted any more. */
export class WatchedBody implements Body {
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
    this.body.flow({
      write: (piece) => sink.write(piece),
      flush: () => sink.flush(),
      end: () => {
        this.end();
        sink.end();
      },
      fail: (error) => {
        this.end();
        sink.fail(error);
      },
    });
  }

  resume(): void {
    this.body.resume();
  }

  cancel(): void {
    this.end();
    this.body.cancel();
  }

  private end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.onOver();
  }
}
