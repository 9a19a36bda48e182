import type { Log } from '@sallyport/runtime';
import type { AuditEntry } from './audit-chain.js';

/** The sentence for the log of the service; undefined when a row gets no line. */
export type LogSentence = (entry: AuditEntry) => string | undefined;

/**
 * Tells of audited changes in the log of the service too: one line each, once the row is written. It is for the few
 * changes that somebody who looks at the log wants to see, such as a device that was revoked.
 *
 * @returns a listener for the `onWritten` of an audit log
 */
export function logLines(log: Pick<Log, 'info'>, sentenceOf: LogSentence): (entry: AuditEntry) => void {
  return (entry) => {
    const sentence = entry.outcome === 'succeeded' ? sentenceOf(entry) : undefined;
    if (sentence === undefined) return;
    const { reason, serialNumber, profile } = entry.details;
    const details = Object.entries({ reason, serialNumber, profile }).filter(([, value]) => value !== undefined);
    log.info({ deviceId: entry.subject, actor: entry.actor, ...Object.fromEntries(details) }, sentence);
  };
}
