import type { Socket } from 'node:net';

const nothing = Buffer.alloc(0);

/** Small enough for a turn of the event loop even where each of its bytes is a piece of work. */
const sliceBytes = 2048;

/** Stops the reading of a connection, for as long as anybody holds it, whoever else would let it flow. */
export class ReadPause {
  readonly #socket: Socket;
  #holds = 0;
  #isGuarded = false;
  #isSliced = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Each hold needs one `release`. */
  hold(): void {
    this.#holds += 1;
    this.#socket.pause();
    if (this.#isGuarded) return;
    this.#isGuarded = true;
    // Node lets the socket flow again for everybody who reads the body of a request, an empty one too.
    this.#socket.on('resume', () => {
      if (this.#holds > 0) this.#socket.pause();
    });
  }

  /**
   * Lets a hold take effect after a few bytes: Node's HTTP parser reads a socket past us, 64 KiB at a time, until
   * somebody listens to its data. Costs CPU time for as long as the connection lives, so only who needs it gets it.
   */
  slice(): void {
    if (this.#isSliced) return;
    this.#isSliced = true;
    const push = this.#socket.push.bind(this.#socket);
    this.#socket.push = (chunk: unknown, encoding?: BufferEncoding) => {
      if (!(chunk instanceof Uint8Array)) return push(chunk, encoding);
      let isMoreWanted = true;
      for (let at = 0; at < chunk.length; at += sliceBytes) isMoreWanted = push(chunk.subarray(at, at + sliceBytes));
      return isMoreWanted;
    };
    this.#socket.on('data', () => undefined);
    // The parser took what the stream had asked for; without this it would wait for that for ever.
    push(nothing);
  }

  release(): void {
    this.#holds -= 1;
    if (this.#holds === 0) this.#socket.resume();
  }
}
