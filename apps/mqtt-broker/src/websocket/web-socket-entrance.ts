import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { mayPageAsk } from '@sallyport/http';
import type { Connection, HttpListenerHandler, Limits } from '@sallyport/tls';
import { type WebSocket, WebSocketServer } from 'ws';
import { WebSocketStream } from './web-socket-stream.js';

/** `mqtt` is the name of 3.1.1 and 5 [MQTT-6.0.0-3], `mqttv3.1` that of 3.1. */
const subprotocols = ['mqtt', 'mqttv3.1'] as const;

/** Clients send each MQTT packet as one message, and a broker takes packets up to this size. */
const mostMessageBytes = 1024 * 1024 + 5;

/** A client that splits its messages finer wants to cost us memory. */
const mostFragments = 1_024;

/** Text of the answer to everything that is no WebSocket for MQTT. */
const advice = 'This is MQTT over WebSocket. Connect with ws:// or wss:// and the subprotocol "mqtt".\n';

export interface WebSocketEntranceOptions {
  readonly limits: Partial<Limits>;
  /** Hosts whose pages may connect, besides the one they connect to. */
  readonly allowedHosts: () => readonly string[];
}

/**
 * Takes WebSockets for MQTT on any path, and hands over the bytes in them as a connection of the same peer.
 *
 * @see MQTT 5.0 §6, RFC 6455
 */
export function webSocketEntrance(
  serve: (connection: Connection) => void,
  { limits, allowedHosts }: WebSocketEntranceOptions,
): HttpListenerHandler {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: mostMessageBytes,
    maxFragments: mostFragments,
    handleProtocols: (offered) => subprotocols.find((name) => offered.has(name)) ?? false,
  });
  return {
    limits,
    http: answerRequest,
    upgrade: (request, connection, head) => {
      const refusal = refusalOf(request, allowedHosts());
      if (refusal !== undefined) return refuse(connection.socket, refusal);
      server.handleUpgrade(request, connection.socket, head, (webSocket) =>
        serve(connectionThrough(webSocket, connection)),
      );
    },
  };
}

function answerRequest(_request: IncomingMessage, response: ServerResponse): void {
  // RFC 9110 §15.5.22
  response.writeHead(426, { Upgrade: 'websocket', 'Content-Type': 'text/plain' }).end(advice);
}

/** The HTTP status that refuses a WebSocket. */
function refusalOf({ headers, socket }: IncomingMessage, allowedHosts: readonly string[]): 400 | 403 | undefined {
  const { origin, host } = headers;
  // Programs other than browsers send no Origin.
  const isTls = socket instanceof TLSSocket;
  if (origin !== undefined && !mayPageAsk({ origin, host, isTls, allowedHosts })) return 403;
  const offered = headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? [];
  return subprotocols.some((name) => offered.includes(name)) ? undefined : 400;
}

function refuse(socket: Duplex, status: 400 | 403): void {
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: text/plain\r\n`;
  const text = status === 403 ? 'Pages of another site may not connect here.\n' : advice;
  socket.once('finish', () => socket.destroy());
  socket.end(`${head}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
}

/** The connection as the broker sees it: the peer is the same, and the bytes are those in the WebSocket. */
function connectionThrough(webSocket: WebSocket, connection: Connection): Connection {
  const stream = new WebSocketStream(webSocket);
  return {
    socket: stream,
    peer: connection.peer,
    remoteAddress: connection.remoteAddress,
    alpn: connection.alpn,
    destination: connection.destination,
    draining: connection.draining,
    identify: (claim) => connection.identify(claim),
    endGently: (mostMs) => connection.endGently(mostMs),
    close: (reason) => {
      if (reason !== undefined) return connection.close(reason);
      // First the closing handshake of the WebSocket, which `ws` limits to 30 s.
      stream.once('close', () => connection.close()).end();
    },
  };
}
