import type { Duplex } from 'node:stream';
import type { BackOff } from '@sallyport/concurrency';
import type { Will } from '@sallyport/mqtt-wire';

/** The two brokers of a bridge. */
export type SideName = 'local' | 'remote';

/** `outbound` messages go from the local broker to the remote one. */
export type Direction = 'outbound' | 'inbound';

/** How the bridge reaches one of its brokers. */
export interface BridgeSide {
  /**
   * Opens the byte stream, with TLS and proxy if there are any. It is called again for each attempt.
   *
   * @param signal ends the attempt; a stream that opens later must be destroyed by `open`
   * @throws what explains the failure to an operator: its message becomes part of the state
   */
  open(signal: AbortSignal): Promise<Duplex>;
  /** What CONNECT says. It is asked after each `open`, which may have read other credentials. */
  terms(): ConnectTerms;
  /** Largest PUBLISH that this side takes, in bytes with its fixed header. Larger ones are dropped and acknowledged. */
  readonly largestPublishBytes?: number;
}

/** @see MQTT 5.0 §3.1, MQTT 3.1.1 §3.1 */
export interface ConnectTerms {
  readonly version: 4 | 5;
  readonly clientId: string;
  /** True only where the broker cannot keep a session: what comes while the bridge is away is then lost. */
  readonly isClean: boolean;
  /** MQTT 5 only, in seconds; default 0xFFFFFFFF, which means that the session does not expire. */
  readonly sessionExpirySeconds?: number;
  /** 0 means none. */
  readonly keepAliveSeconds: number;
  readonly userName?: string;
  readonly password?: Buffer;
  /** The broker publishes it whenever the bridge goes, also when it is stopped. */
  readonly will?: Will;
  /** Published at QoS 1 each time both sides are connected, before anything is forwarded. */
  readonly greetings?: readonly Greeting[];
}

export interface Greeting {
  readonly topic: string;
  readonly payload: Buffer;
  readonly retain: boolean;
}

/** Where a message goes. */
export interface MappedTopic {
  readonly topic: string;
  /** Name of the rule, under which its messages are counted. */
  readonly rule: string;
  /** True when the rule also forwards the other way, so that an echo must be recognised. */
  readonly isBidirectional: boolean;
}

/** The rules of a bridge. An object never changes: new rules are a new object. */
export interface BridgeRules {
  /** Topic filters to subscribe to. */
  filters(side: SideName): readonly string[];
  /** @returns undefined when no rule matches: the message is acknowledged and dropped */
  map(direction: Direction, topic: string): MappedTopic | undefined;
}

export interface BridgeLimits {
  /** Messages of QoS 1 that may be unacknowledged towards a broker, 1 to 32,767; default 4,096. */
  readonly windowMessages: number;
  /** A source is not read while so many bytes for its destination are unsent; default 1 MiB. */
  readonly unsentBytes: number;
  /** Bytes that wait for a destination that cannot take them yet; then the source is not read. Default 1 MiB. */
  readonly heldBytes: number;
  /**
   * A source is disconnected when so many of its bytes wait, which happens only while the other side is not read, and so
   * this one has to be; default 64 MiB.
   */
  readonly mostHeldBytes: number;
  /**
   * Largest packet that the remote broker may send, in bytes; default 16 MiB. One of MQTT 5 is told, and leaves larger
   * messages out. The local broker may send whatever MQTT allows.
   */
  readonly largestPacketBytes: number;
  /** Until the byte stream is open, in milliseconds; default 60,000. */
  readonly openDeadlineMs: number;
  /** Until CONNACK comes, in milliseconds; default 20,000. */
  readonly connackDeadlineMs: number;
  /** Until all subscriptions are confirmed, a round, in milliseconds; default 20,000. */
  readonly subscribeDeadlineMs: number;
  /** Then messages are forwarded without the confirmation; default 3. */
  readonly subscribeRounds: number;
  /** A destination that leaves a message unacknowledged for so long is disconnected, in milliseconds; default 30,000. */
  readonly oldestUnacknowledgedMs: number;
  /** Between attempts of one side; each wait is made up to half longer or shorter by chance. Default 5 s to 10 min. */
  readonly backOff: BackOff;
  /** A connection that has been good for so long ends the back-off, in milliseconds; default 300,000. */
  readonly resetWindowMs: number;
  /** How long an echo is recognised, in milliseconds; default 100,000. */
  readonly echoMs: number;
  /** How long `stop` waits for acknowledgements, in milliseconds; default 5,000. */
  readonly drainMs: number;
  /** How often it is made sure, while the remote broker is away, that the local one has the session; default 60,000 ms. */
  readonly localCheckMs: number;
  /** Connections over which outbound messages are spread by topic; default 1. */
  readonly egressConnections: number;
}

/** Time as the bridge sees it. */
export interface BridgeClock {
  /** Milliseconds; only differences count, and it never goes back. */
  nowMs(): number;
  /** Calls `run` once after so many milliseconds. The result cancels it. */
  after(delayMs: number, run: () => void): () => void;
}

export interface BridgeOptions {
  readonly local: BridgeSide;
  readonly remote: BridgeSide;
  readonly rules: BridgeRules;
  /**
   * Local topic prefix for messages that a destination refuses for good; the topic of the source follows it. Such a
   * message is acknowledged to its source when the local broker has the dead letter.
   */
  readonly deadLetterPrefix: string;
  readonly limits?: Partial<BridgeLimits>;
  /** Default: the clock of the system. */
  readonly clock?: BridgeClock;
  /** 0 to 1, for the jitter; default Math.random. */
  readonly random?: () => number;
  /** Called on every change. */
  readonly onState?: (state: BridgeState) => void;
  /** What an operator may want to read in the log. */
  readonly onNotice?: (notice: BridgeNotice) => void;
}

export interface SideState {
  /** `waiting`: for its next attempt, or for the other side. */
  readonly status: 'stopped' | 'waiting' | 'connecting' | 'connected';
  /** Why the last connection or attempt ended. Absent when the side is connected. */
  readonly failure?: string;
  /** The same as thrown, for those who explain it. */
  readonly cause?: unknown;
  /** Milliseconds until the next attempt, counted from this change. */
  readonly retryInMs?: number;
}

export interface BridgeState {
  /** `up` when both sides are connected and have confirmed the subscriptions: messages go both ways. */
  readonly status: 'up' | 'down';
  /** The local broker has the subscriptions, as far as is known: what is published from now on is not lost. */
  readonly isSubscribed: boolean;
  readonly local: SideState;
  readonly remote: SideState;
}

/**
 * Why a message was not forwarded.
 *
 * `too-large` the destination does not take it; `refused` the destination refused it for good, and it is a dead letter;
 * `echo` it is our own; `congested` QoS 0, and the destination is too slow; `expired` its time was over while it waited;
 * `unmapped` no rule matches.
 */
export type DropReason = 'too-large' | 'refused' | 'echo' | 'congested' | 'expired' | 'unmapped';

/** Counts since the bridge was made. */
export interface RuleFigures {
  readonly rule: string;
  readonly direction: Direction;
  /** Messages given to the destination, also those sent again. */
  readonly forwarded: number;
  /** Messages of QoS 1 that the destination has acknowledged. */
  readonly acknowledged: number;
  /** Messages that the source marked as sent again. */
  readonly redelivered: number;
  /** Bytes of the packets given to the destination. */
  readonly bytes: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
}

export interface DirectionFigures {
  /** Messages given to the destination and not acknowledged yet. */
  readonly inFlight: number;
  /** Messages that wait for their destination. */
  readonly held: number;
  readonly heldBytes: number;
  /** Age of the oldest message in flight, in milliseconds; 0 without one. */
  readonly oldestUnacknowledgedMs: number;
  /** Messages that no rule matched. */
  readonly unmapped: number;
  /** How often the watchdog disconnected a destination that did not acknowledge. */
  readonly stalls: number;
}

export interface BridgeFigures {
  readonly rules: readonly RuleFigures[];
  readonly directions: Readonly<Record<Direction, DirectionFigures>>;
  /** Connections made since the bridge was started. */
  readonly connections: Readonly<Record<SideName, number>>;
}

export type BridgeNotice =
  | {
      readonly kind: 'message-dropped';
      readonly direction: Direction;
      readonly reason: 'too-large' | 'refused';
      /** As the source sent it. */
      readonly topic: string;
      readonly bytes: number;
      /** Of the PUBACK, with `refused`. */
      readonly reasonCode?: number;
      /** With `too-large`. */
      readonly limitBytes?: number;
    }
  | {
      readonly kind: 'subscription-refused';
      readonly side: SideName;
      readonly filter: string;
      readonly reasonCode: number;
    }
  | { readonly kind: 'subscription-unconfirmed'; readonly side: SideName; readonly filters: readonly string[] }
  | { readonly kind: 'greeting-refused'; readonly side: SideName; readonly topic: string; readonly reasonCode: number }
  | { readonly kind: 'destination-stalled'; readonly direction: Direction; readonly oldestUnacknowledgedMs: number }
  /** The broker serves QoS 0 only: for all messages to it, or for those from it that match the filter. */
  | { readonly kind: 'delivery-not-promised'; readonly side: SideName; readonly filter?: string };
