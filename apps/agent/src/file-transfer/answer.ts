import { sendAnswer } from '@sallyport/http';
import type { Exchange } from './exchange.js';

export interface Answer {
  readonly status: number;
  /** Names and values by turns. */
  readonly headers?: readonly string[];
  /** Plain text; no body when absent. */
  readonly text?: string;
}

/** Answers with a short text or nothing, whether or not the request's body has been read. */
export function answer({ req, res, routeHeaders }: Exchange, { status, headers = [], text }: Answer): void {
  const type = text === undefined ? [] : ['Content-Type', 'text/plain; charset=utf-8'];
  const fields = ['X-Content-Type-Options', 'nosniff', ...routeHeaders, ...type, ...headers];
  sendAnswer(req, res, { status, headers: fields, ...(text === undefined ? {} : { body: text }) });
}
