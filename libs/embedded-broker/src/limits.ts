/** Limits of one broker. */
export interface BrokerLimits {
  /** Connections from the network. */
  readonly clients: number;
  /** Size of one MQTT packet, in bytes; a larger one ends the connection. */
  readonly packetBytes: number;
  /** The same for CONNECT, which comes from a client that nothing is known of. */
  readonly connectPacketBytes: number;
  readonly topicLevels: number;
  /** In characters. */
  readonly clientIdLength: number;
  /** Time from the connection to its CONNECT packet, in milliseconds. */
  readonly connectMs: number;
  /** How long a client may leave a full buffer unread before it is cut, in milliseconds. */
  readonly drainMs: number;
  /** How long publishers that fill the queue of a client wait for it without any progress, in milliseconds. */
  readonly crowdMs: number;
  /** Bytes that are handed to a connection before the rest waits in the queue of the session. */
  readonly outputBytes: number;
  /** QoS 1 and 2 messages that a client may have unacknowledged at a time. */
  readonly inFlightMessages: number;
  /** QoS 2 messages that a client may leave without PUBREL at a time. */
  readonly unreleasedMessages: number;
  /** Topics that a client of MQTT 5 may give a number. */
  readonly topicAliases: number;
  /** Messages that wait for one session; the newest is dropped when it is full, as Mosquitto does. */
  readonly queuedMessages: number;
  /** Bytes of the unacknowledged messages of one session. */
  readonly queuedBytes: number;
  readonly queuedBytesPerIdentity: number;
  /** Bytes of the unacknowledged messages of all clients of the network together. */
  readonly queuedBytesInAll: number;
  readonly subscriptionsPerClient: number;
  readonly subscriptionsPerIdentity: number;
  /** Sessions kept for network clients that are away. */
  readonly sessions: number;
  readonly sessionsPerIdentity: number;
  readonly retainedMessages: number;
  readonly retainedMessagesPerIdentity: number;
  readonly retainedBytes: number;
  readonly retainedBytesPerIdentity: number;
}

const mebibyte = 1024 * 1024;

/** A proven identity has a share of what all have; of the others, a network address has. */
export const defaultBrokerLimits: BrokerLimits = {
  clients: 20_000,
  packetBytes: mebibyte,
  connectPacketBytes: 128 * 1024,
  topicLevels: 32,
  clientIdLength: 128,
  connectMs: 10_000,
  drainMs: 10_000,
  crowdMs: 40,
  outputBytes: mebibyte,
  inFlightMessages: 1_000,
  unreleasedMessages: 1_000,
  topicAliases: 10,
  // The 65 535 packet identifiers bound a queue too.
  queuedMessages: 60_000,
  queuedBytes: 16 * mebibyte,
  queuedBytesPerIdentity: 32 * mebibyte,
  queuedBytesInAll: 128 * mebibyte,
  subscriptionsPerClient: 1_000,
  subscriptionsPerIdentity: 5_000,
  sessions: 20_000,
  sessionsPerIdentity: 100,
  retainedMessages: 20_000,
  retainedMessagesPerIdentity: 5_000,
  retainedBytes: 64 * mebibyte,
  retainedBytesPerIdentity: 16 * mebibyte,
};

const mostQueuedBytesForService = 64 * mebibyte;
/** The window of a bridge. With fewer, a link of 50 ms would bound it to 20,000 messages a second. */
const inFlightMessagesOfService = 4_096;

/** What the sessions of services may use. The services are ours and few, so they have no shares. */
export function limitsOfServices(limits: BrokerLimits): BrokerLimits {
  return {
    ...limits,
    inFlightMessages: Math.max(limits.inFlightMessages, inFlightMessagesOfService),
    queuedBytes: mostQueuedBytesForService,
    queuedBytesPerIdentity: Number.POSITIVE_INFINITY,
    queuedBytesInAll: Number.POSITIVE_INFINITY,
    subscriptionsPerIdentity: Number.POSITIVE_INFINITY,
    sessions: Number.POSITIVE_INFINITY,
    sessionsPerIdentity: Number.POSITIVE_INFINITY,
    retainedMessagesPerIdentity: limits.retainedMessages,
    retainedBytesPerIdentity: limits.retainedBytes,
  };
}
