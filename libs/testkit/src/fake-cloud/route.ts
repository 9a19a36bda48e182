import { answers, type CloudAnswer } from './answers.js';
import type { SeenRequest, WholeBody } from './seen-request.js';

/** A request with its body, and the values of the path's variables. */
export interface RouteCall {
  readonly seen: SeenRequest;
  readonly body: WholeBody;
  /** Decoded. */
  readonly variables: readonly string[];
}

export type Route = readonly [
  method: string,
  path: RegExp,
  handle: (call: RouteCall) => CloudAnswer | Promise<CloudAnswer>,
];

/** The path of a request target, without the query. */
export function pathOf(target: string): string {
  return target.split('?')[0] ?? '';
}

export function notFound(what: string): CloudAnswer {
  return answers.json(404, { error: 'general/notFound', message: `Not found: ${what}`, info: null });
}
