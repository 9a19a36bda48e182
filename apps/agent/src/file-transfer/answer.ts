import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendAnswer } from '@sallyport/http';
import type { StoragePath } from '../file-storage/storage-path.js';

/** A request on one of our routes and the response to it. */
export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Headers of every response of the route: names and values alternately. */
  readonly routeHeaders: readonly string[];
}

/** An exchange about a file. */
export interface FileExchange extends Exchange {
  readonly path: StoragePath;
}

/** The peer ended the connection before its request was complete, so no answer is possible. */
export class PeerLost extends Error {
  override readonly name = 'PeerLost';
}

export interface Answer {
  readonly status: number;
  /** Names and values alternately. */
  readonly headers?: readonly string[];
  /** Plain text; no body when absent. */
  readonly text?: string;
}

/** Answers with a short text or without a body, also when the body of the request was not read. */
export function answer({ req, res, routeHeaders }: Exchange, { status, headers = [], text }: Answer): void {
  const type = text === undefined ? [] : ['Content-Type', 'text/plain; charset=utf-8'];
  const fields = ['X-Content-Type-Options', 'nosniff', ...routeHeaders, ...type, ...headers];
  sendAnswer(req, res, { status, headers: fields, ...(text === undefined ? {} : { body: text }) });
}
