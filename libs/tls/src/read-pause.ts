import type { Socket } from 'node:net';

const nothing = Buffer.alloc(0);

/** Small enough not to block the event loop, even when every byte of it causes work. */
const sliceBytes = 2048;

/** Pauses the reading of a connection until every hold is released, also when other code resumes the socket. */
export class ReadPause {
  private readonly socket: Socket;
  private holds = 0;
  private isGuarded = false;
  private isSliced = false;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Each hold needs one `release`. */
  hold(): void {
    this.holds += 1;
    this.socket.pause();
    if (this.isGuarded) return;
    this.isGuarded = true;
    // Node resumes the socket whenever the body of a request is read, even an empty one.
    this.socket.on('resume', () => {
      if (this.holds > 0) this.socket.pause();
    });
  }

  /**
   * Makes a hold take effect after a few bytes. Node's HTTP parser reads 64 KiB at a time straight from the handle,
   * until the socket has a listener for `data`. Costs CPU time for the life of the connection, so it is done only when
   * needed.
   */
  slice(): void {
    if (this.isSliced) return;
    this.isSliced = true;
    const push = this.socket.push.bind(this.socket);
    this.socket.push = (chunk: unknown, encoding?: BufferEncoding) => {
      if (!(chunk instanceof Uint8Array)) return push(chunk, encoding);
      let isMoreWanted = true;
      for (let at = 0; at < chunk.length; at += sliceBytes) isMoreWanted = push(chunk.subarray(at, at + sliceBytes));
      return isMoreWanted;
    };
    this.socket.on('data', () => undefined);
    // The parser consumed what the stream had asked for. Without this push the stream would wait for it for ever.
    push(nothing);
  }

  release(): void {
    this.holds -= 1;
    if (this.holds === 0) this.socket.resume();
  }
}
