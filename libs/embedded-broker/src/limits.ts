/** Limits of one broker. */
export interface BrokerLimits {
  /** Connections from the network. */
  readonly clients: number;
  /** Size of one MQTT packet from the network, in bytes; a larger one ends the connection. */
  readonly packetBytes: number;
  readonly topicLevels: number;
  /** In characters. */
  readonly clientIdLength: number;
  /** Longest keep-alive a client may ask for, in seconds; 0 (none) is refused too. */
  readonly keepaliveSeconds: number;
  /** Time from the connection to its CONNECT packet, in milliseconds. */
  readonly connectMs: number;
  /** How long a client may leave a full buffer unread before it is cut, in milliseconds. */
  readonly drainMs: number;
  /** Packets a client may send before its CONNECT is answered. */
  readonly earlyPackets: number;
  readonly subscriptionsPerClient: number;
  /** Sessions kept for network clients that are away. */
  readonly sessions: number;
  /** Sessions of one device or service that proved its identity. Others cannot be distinguished. */
  readonly sessionsPerIdentity: number;
  /** Unacknowledged messages kept for one session; the newest is dropped when it is full, as Mosquitto does. */
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  /** Bytes of the unacknowledged messages of all clients of the network together. */
  readonly queuedBytesInAll: number;
  readonly retainedMessages: number;
  readonly retainedBytes: number;
}

export const defaultBrokerLimits: BrokerLimits = {
  clients: 1_000,
  packetBytes: 1024 * 1024,
  topicLevels: 32,
  clientIdLength: 128,
  keepaliveSeconds: 3_600,
  connectMs: 10_000,
  drainMs: 10_000,
  earlyPackets: 42,
  subscriptionsPerClient: 1_000,
  sessions: 1_000,
  sessionsPerIdentity: 100,
  queuedMessages: 1_000,
  queuedBytes: 4 * 1024 * 1024,
  queuedBytesInAll: 64 * 1024 * 1024,
  retainedMessages: 10_000,
  retainedBytes: 64 * 1024 * 1024,
};
