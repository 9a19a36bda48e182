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

/** The bytes of a body so far. Many small pieces take no more room than their bytes: each piece alone costs an object. */
class CollectedBytes {
  length = 0;
  private room: Buffer | undefined;

  add(piece: Buffer): void {
    const { room, length } = this;
    const needed = length + piece.length;
    if (room === undefined) this.room = piece;
    else {
      const larger = needed > room.length ? Buffer.allocUnsafeSlow(Math.max(needed, room.length * 2)) : room;
      if (larger !== room) room.copy(larger, 0, 0, length);
      piece.copy(larger, length);
      this.room = larger;
    }
    this.length = needed;
  }

  whole(): Buffer {
    return this.room?.subarray(0, this.length) ?? Buffer.alloc(0);
  }
}

/**
 * Reads a whole body into memory.
 *
 * @param mostBytes more than this is refused as soon as it is known, and the rest is cancelled
 * @param onGrowth called with the bytes that are to be kept so far; when it throws, the body is refused with that
 * @throws BodyTooLarge
 * @throws what `onGrowth` throws
 * @throws the failure of a body that ends too early
 */
export function collect(body: Body, mostBytes: number, onGrowth?: (bytes: number) => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const bytes = new CollectedBytes();
    const keep = (piece: Buffer): void => {
      const length = bytes.length + piece.length;
      if (length > mostBytes) throw new BodyTooLarge(mostBytes);
      onGrowth?.(length);
      bytes.add(piece);
    };
    const write = (piece: Buffer): void => {
      try {
        keep(piece);
      } catch (error) {
        body.cancel();
        reject(error);
      }
    };
    if (body.length !== undefined && body.length > mostBytes) {
      body.cancel();
      reject(new BodyTooLarge(mostBytes));
      return;
    }
    body.flow({ write, flush: () => true, end: () => resolve(bytes.whole()), fail: reject });
  });
}
