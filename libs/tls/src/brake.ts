import type { Socket } from 'node:net';

/** Stops the reading of a connection, for as long as anybody holds it, whoever else would let it flow. */
export class Brake {
  readonly #socket: Socket;
  #holds = 0;
  #isGuarded = false;

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

  release(): void {
    this.#holds -= 1;
    if (this.#holds === 0) this.#socket.resume();
  }
}
