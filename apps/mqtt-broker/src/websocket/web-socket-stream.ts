import { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';

/** RFC 6455 §7.4.1 */
const closeCodes = { normal: 1_000, unsupportedData: 1_003 } as const;

/**
 * The bytes of a WebSocket. Where one message ends and the next begins has no meaning [MQTT-6.0.0-2].
 *
 * @see MQTT 5.0 §6
 */
export class WebSocketStream extends Duplex {
  constructor(private readonly webSocket: WebSocket) {
    // The two directions of a WebSocket end together.
    super({ allowHalfOpen: false });
    webSocket.on('message', (message, isBinary) => this.receive(message, isBinary));
    webSocket.on('close', () => this.push(null));
    // A frame that breaks RFC 6455: `ws` has answered with the close code, and closes.
    webSocket.on('error', (error) => this.destroy(error));
  }

  override _read(): void {
    this.webSocket.resume();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.webSocket.send(bytes, { binary: true }, done);
  }

  override _final(done: () => void): void {
    this.webSocket.close(closeCodes.normal);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (error === null) this.leave();
    else this.webSocket.terminate();
    done(error);
  }

  /** Says why the WebSocket ends, so that the client does not take it for a fault. `ws` cuts it after 30 s at most. */
  private leave(): void {
    this.webSocket.resume();
    this.webSocket.close(closeCodes.normal);
  }

  /** [MQTT-6.0.0-1]: binary messages only. */
  private receive(message: RawData, isBinary: boolean): void {
    if (this.destroyed) return;
    if (!isBinary || !Buffer.isBuffer(message)) this.webSocket.close(closeCodes.unsupportedData);
    else if (!this.push(message)) this.webSocket.pause();
  }
}
