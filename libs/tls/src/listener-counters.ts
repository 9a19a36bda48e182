import type { RefusalReason } from '@sallyport/protocol';

/** What a listener has seen since it was made. */
export interface ListenerCounts {
  accepted: number;
  /** Connections that sent nothing until they closed or the deadline passed. */
  silent: number;
  /** TLS handshakes that finished, also those of peers that were refused then. */
  handshakes: number;
  /** Sessions that began, with an admitted peer or without one. */
  established: number;
  /** TLS on a listener without a certificate. */
  tlsOnPlain: number;
  /** Plain text where TLS is spoken. */
  plainOnTls: number;
  /** Requests answered 307 to https. */
  redirected: number;
  /** Requests that were malformed, too large or too slow. */
  faultyRequests: number;
}

/** What a listener counts, apart from refusals. */
export type ListenerEvent = keyof ListenerCounts;

/** Counts for metrics. No decision depends on them. */
export class ListenerCounters {
  readonly refusals = new Map<RefusalReason, number>();
  private readonly onCounted: ((event: ListenerEvent) => void) | undefined;
  readonly counters: ListenerCounts = {
    accepted: 0,
    silent: 0,
    handshakes: 0,
    established: 0,
    tlsOnPlain: 0,
    plainOnTls: 0,
    redirected: 0,
    faultyRequests: 0,
  };

  constructor(onCounted?: (event: ListenerEvent) => void) {
    this.onCounted = onCounted;
  }

  count(event: ListenerEvent): void {
    this.counters[event] += 1;
    this.onCounted?.(event);
  }

  countRefusal(reason: RefusalReason): void {
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
  }
}
