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
  connectionsRefused: number;
  readonly dropped: Record<DropReason, number>;
}

export function newCounters(): BrokerCounters {
  return {
    messagesReceived: 0,
    messagesSent: 0,
    publicationsRefused: 0,
    connectionsRefused: 0,
    dropped: { 'session-full': 0, 'slow-reader': 0 },
  };
}
