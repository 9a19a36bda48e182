import type { Exchange, OutgoingRequest, UpstreamResponse } from './api.js';
import { UpstreamError } from './faults.js';
import type { Framing } from './framing.js';
import { fieldLines } from './message-writer.js';

/** RFC 9110 §9.2.2: a request that may be sent twice. */
const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']);

/** RFC 9110 §8.6: these say that they have no body, because a server may wait for one. */
const methodsWithBody: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

const requestLinePattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} \/[\x21-\x7e]*$/;

export interface ExchangeHolder {
  /** Nobody wants the response of this exchange any more. */
  abandon(exchange: UpstreamExchange, error: UpstreamError): void;
}

/** One request to the upstream and its response, while it waits, runs, or runs for the second time. */
export class UpstreamExchange implements Exchange {
  readonly framing: Framing;
  readonly headText: string;
  /** Where the exchange is now. */
  holder: ExchangeHolder | undefined;
  private onResponse: ((response: UpstreamResponse) => void) | undefined;
  private onFailure: ((error: UpstreamError) => void) | undefined;
  private outcome: UpstreamResponse | UpstreamError | undefined;
  private attempts = 0;

  /** @throws TypeError a request that would not be one request on the wire */
  constructor(
    readonly request: OutgoingRequest,
    readonly upgrades: boolean,
  ) {
    const { method, target, body } = request;
    if (!requestLinePattern.test(`${method} ${target}`)) throw new TypeError('The method or the target is malformed.');
    this.framing = body.length ?? 'chunked';
    const lines = fieldLines(request.fields);
    this.headText = `${method} ${target} HTTP/1.1\r\n${lines}${framingLine(method, this.framing)}\r\n`;
  }

  get isSettled(): boolean {
    return this.outcome !== undefined;
  }

  get response(): Promise<UpstreamResponse> {
    return new Promise((resolve, reject) => this.settle(resolve, reject));
  }

  settle(onResponse: (response: UpstreamResponse) => void, onFailure: (error: UpstreamError) => void): void {
    const { outcome } = this;
    if (outcome instanceof UpstreamError) onFailure(outcome);
    else if (outcome !== undefined) onResponse(outcome);
    else {
      this.onResponse = onResponse;
      this.onFailure = onFailure;
    }
  }

  /** May be sent again after a connection that was kept alive turned out to be closed. */
  get mayRepeat(): boolean {
    const { method, body } = this.request;
    return this.attempts === 1 && idempotentMethods.has(method) && body.isReplayable;
  }

  begin(): void {
    this.attempts += 1;
  }

  succeed(response: UpstreamResponse): void {
    const { onResponse } = this;
    this.outcome = response;
    this.onResponse = undefined;
    this.onFailure = undefined;
    onResponse?.(response);
  }

  fail(error: UpstreamError): void {
    if (this.outcome !== undefined) return;
    this.outcome = error;
    this.request.body.cancel();
    this.onFailure?.(error);
  }

  abort(): void {
    const error = new UpstreamError('request-aborted', 'The exchange was aborted.');
    this.holder?.abandon(this, error);
    this.fail(error);
  }
}

function framingLine(method: string, framing: Framing): string {
  if (framing === 'chunked') return 'Transfer-Encoding: chunked\r\n';
  return framing === 0 && !methodsWithBody.has(method) ? '' : `Content-Length: ${framing}\r\n`;
}
