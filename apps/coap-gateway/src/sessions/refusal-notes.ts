import type { ResponseCode } from '@sallyport/coap-wire';
import { RepeatFilter } from '@sallyport/concurrency';
import { RefusalReports } from '@sallyport/entrance';
import { printable } from '@sallyport/protocol';
import type { ConnectedContext } from '@sallyport/runtime';
import { type Connection, networkOf } from '@sallyport/tls';
import type { SessionCounters } from './session-counters.js';

// Often enough to see that it continues, seldom enough to keep the log readable.
const periodMs = 60_000;
const mostSources = 1_000;
const longestDetail = 256;

/** An answer that ends a connection. */
export interface LastWord {
  /** Of the resource; `other` for those that need a sign-in. */
  readonly path: string;
  readonly code: ResponseCode;
  /** What the device is told. It never holds a token or a code. */
  readonly diagnostic: string;
}

/**
 * Counts and logs the requests that end a connection, and writes refusals of tokens and users into the audit log. The first
 * one of a device for a reason is written at once, then at most one a minute, which says how many were left out.
 */
export class RefusalNotes {
  private readonly repeats = new RepeatFilter({ periodMs, mostSources });
  private readonly reports: RefusalReports;

  constructor(
    private readonly context: ConnectedContext,
    private readonly counters: SessionCounters,
  ) {
    this.reports = new RefusalReports(context);
  }

  note(connection: Connection, { path, code, diagnostic }: LastWord): void {
    this.counters.refused(path, code);
    const { log, clock } = this.context;
    const who = whoIs(connection);
    const source = who.fingerprint ?? networkOf(connection.remoteAddress);
    const leftOut = this.repeats.pass(`${path} ${code} ${source}`, clock.now().getTime());
    if (leftOut === undefined) return;
    const repeats = leftOut === 0 ? {} : { leftOut };
    const reason = printable(diagnostic).slice(0, longestDetail);
    log.info({ ...who, path, code, reason, ...repeats }, 'request of a device refused');
    if (code !== '4.01' && code !== '4.29') return;
    const { serialNumber: _, ...refused } = who;
    const refusal = code === '4.01' ? 'authorization-refused' : 'too-many-attempts';
    this.reports.report({ ...refused, reason: refusal }, { entrance: 'coap', leftOut });
  }
}

/** The other side, as far as it is known. */
function whoIs({ peer, remoteAddress }: Connection) {
  if (peer?.credential.kind !== 'certificate') return { remoteAddress };
  const { subject, fingerprint, serialNumber } = peer.credential.certificate;
  return { remoteAddress, subject: printable(subject.text).slice(0, longestDetail), fingerprint, serialNumber };
}
