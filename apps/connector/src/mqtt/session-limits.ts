import type { PacketConnectionLimits } from '@sallyport/mqtt-wire';

/** What one MQTT session of a device may cost. */
export interface SessionLimits extends PacketConnectionLimits {
  /** The largest packet of a client that has not said who it is. */
  readonly anonymousPacketBytes: number;
  /** How long such a client may stay, in milliseconds. */
  readonly anonymousMs: number;
  /** How often it may try to provision in one session. */
  readonly activations: number;
  /** Writes that may be on their way to the store at a time; the client is not read meanwhile. */
  readonly pendingWrites: number;
  /** The same in bytes. */
  readonly pendingBytes: number;
  /** Commands that a device may leave unacknowledged at a time. */
  readonly commandsInFlight: number;
}

const mebibyte = 1024 * 1024;

export const defaultSessionLimits: SessionLimits = {
  // A value of a mebibyte, its topic, and properties.
  packetBytes: mebibyte + 4_096,
  connectPacketBytes: 16 * 1024,
  topicAliases: 10,
  outputBytes: 256 * 1024,
  connectMs: 10_000,
  drainMs: 10_000,
  anonymousPacketBytes: 1_024,
  anonymousMs: 60_000,
  activations: 3,
  pendingWrites: 64,
  pendingBytes: mebibyte,
  commandsInFlight: 16,
};

/** Limits of a connection whose packets are small while nobody knows its client. */
export function packetLimits(limits: SessionLimits, isAnonymous: () => boolean): PacketConnectionLimits {
  return {
    ...limits,
    get packetBytes() {
      return isAnonymous() ? limits.anonymousPacketBytes : limits.packetBytes;
    },
  };
}
