/** Takes a body piece by piece. Nothing of it may throw. */
export interface BodySink {
  /** The next bytes, as they came from the wire. They belong to the sink from now on. */
  write(piece: Buffer): void;
  /**
   * Called after the pieces that came together.
   *
   * @returns false: send no more until `Body.resume` is called
   */
  flush(): boolean;
  /** The body is complete. */
  end(): void;
  /** The body ends too early, and nothing follows. */
  fail(error: Error): void;
}

/** A body that flows to one sink, at the pace of the sink. */
export interface Body {
  /** Bytes; 0: no body; undefined: only the end of the body tells. */
  readonly length: number | undefined;
  /** May flow more than once, with the same bytes. Otherwise a sink may free the memory of a piece it has taken. */
  readonly isReplayable: boolean;
  /**
   * Sends the body to the sink: what is here already before this returns or directly after. Then it calls `flush`, also
   * when nothing is here yet: whoever writes the body sends the head then. Call it once.
   */
  flow(sink: BodySink): void;
  /** The sink takes pieces again after its `flush` returned false. */
  resume(): void;
  /** Nobody wants the rest. The sink is not called again. */
  cancel(): void;
}

/** A body that is whole already. */
export class WholeBody implements Body {
  readonly isReplayable = true;
  readonly length: number;

  constructor(private readonly bytes: Buffer) {
    this.length = bytes.length;
  }

  flow(sink: BodySink): void {
    if (this.length > 0) sink.write(this.bytes);
    sink.end();
  }

  // Everything is sent at once: there is nothing to take up again or to stop.
  resume(): void {}

  cancel(): void {}
}

export const noBody: Body = new WholeBody(Buffer.alloc(0));

/** A body has more bytes than its reader takes. */
export class BodyTooLarge extends Error {
  constructor(readonly mostBytes: number) {
    super(`The body is larger than ${mostBytes} bytes.`);
  }
}

/**
 * Reads a whole body into memory.
 *
 * @param mostBytes more than this is refused as soon as it is known, and the rest is cancelled
 * @throws BodyTooLarge
 * @throws the failure of a body that ends too early
 */
export function collect(body: Body, mostBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let bytes = 0;
    const refuse = (): void => {
      body.cancel();
      reject(new BodyTooLarge(mostBytes));
    };
    if (body.length !== undefined && body.length > mostBytes) {
      refuse();
      return;
    }
    const write = (piece: Buffer): void => {
      bytes += piece.length;
      if (bytes > mostBytes) refuse();
      else pieces.push(piece);
    };
    const whole = (): Buffer => {
      const [first] = pieces;
      return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces, bytes);
    };
    body.flow({ write, flush: () => true, end: () => resolve(whole()), fail: reject });
  });
}
