import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';

/** Accepts the WebSocket, sends back every message as it came, and answers a close with the same code. */
export class WebSocketEcho {
  /** WebSockets that are open now. */
  get open(): number {
    return this.server.clients.size;
  }

  private readonly server = new WebSocketServer({ noServer: true, perMessageDeflate: false });

  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.server.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('message', (message, isBinary) => webSocket.send(message, { binary: isBinary }));
      webSocket.on('error', () => webSocket.terminate());
    });
  }

  /** Closes all with this code, as a cloud does that goes for maintenance. */
  close(code: number, reason: string): void {
    for (const webSocket of this.server.clients) webSocket.close(code, reason);
  }

  end(): void {
    for (const webSocket of this.server.clients) webSocket.terminate();
  }
}
