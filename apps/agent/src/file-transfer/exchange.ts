import type { IncomingMessage, ServerResponse } from 'node:http';
import type { StoragePath } from '../file-storage/storage-path.js';

/** A request on one of our routes and the response to it. */
export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Names and values by turns: what every response of the route carries. */
  readonly routeHeaders: readonly string[];
}

/** An exchange about a file. */
export interface FileExchange extends Exchange {
  readonly path: StoragePath;
}

/** The peer went away before its request was complete; there is nobody to answer. */
export class PeerLost extends Error {
  override readonly name = 'PeerLost';
}
