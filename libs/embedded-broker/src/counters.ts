import type { ConnectRefusal } from '@sallyport/protocol';

/** Why a message did not reach a session it was meant for. */
export type DropReason =
  /** The queue of the session, or the share of its identity, is full. */
  | 'session-full'
  /** QoS 0 for a client that does not read fast enough. */
  | 'slow-reader';

/** What the broker has done since it started. */
export interface BrokerCounters {
  messagesReceived: number;
  messagesSent: number;
  /** Publications that were not acknowledged: not allowed, or no room to keep them. */
  publicationsRefused: number;
  /** CONNECTs refused. */
  readonly refusals: Map<ConnectRefusal, number>;
  readonly dropped: Record<DropReason, number>;
}

/** What the broker holds at the moment, and what its journal has done since it started. */
export interface BrokerFigures {
  readonly connections: number;
  /** Those of clients that are there, and those kept for clients that are away. */
  readonly sessions: number;
  /** Bytes of messages that are not acknowledged by their receivers. */
  readonly queuedBytes: number;
  readonly retainedMessages: number;
  readonly journalBytes: number;
  readonly journalCommits: number;
  readonly journalWriteSeconds: number;
  readonly journalFailedWrites: number;
  /** 1 while the journal cannot be written, else 0. */
  readonly journalFailing: number;
}

export function newCounters(): BrokerCounters {
  return {
    messagesReceived: 0,
    messagesSent: 0,
    publicationsRefused: 0,
    refusals: new Map(),
    dropped: { 'session-full': 0, 'slow-reader': 0 },
  };
}
