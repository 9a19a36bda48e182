/** What MQTT 5 lets a publisher say about a message. */
export interface MessageProperties {
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Buffer;
  /** The payload is UTF-8. */
  readonly isText?: boolean;
  /** After so many seconds nobody wants the message any more. */
  readonly expirySeconds?: number;
  readonly userProperties?: Readonly<Record<string, string | readonly string[]>>;
}

/** A message as the broker delivered it. */
export interface MqttMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1;
  /** The broker had kept it from before the subscription; or, with `keepsRetainFlag`, its publisher wanted it kept. */
  readonly isRetained: boolean;
  /** The broker has sent it before, so it may have been handled before. */
  readonly isDuplicate: boolean;
  /** MQTT 5 only. */
  readonly properties?: MessageProperties;
}

export interface SessionFilter {
  readonly filter: string;
  /**
   * The highest QoS it is delivered with; default 1. At 2 a message comes exactly once while the connection holds.
   * Over connections it comes at least once, as at 1: exactly once would need our state on disk before each PUBREC.
   */
  readonly qos?: 0 | 1 | 2;
  /** MQTT 5: what this session publishes does not come back to it. */
  readonly isNoLocal?: boolean;
  /** MQTT 5: `isRetained` is as the publisher set it. */
  readonly keepsRetainFlag?: boolean;
  /** MQTT 5: when kept messages are sent: at each SUBSCRIBE (default), only when the subscription is new, or never. */
  readonly retainedMessages?: 'always' | 'new' | 'never';
}

/** What the broker publishes for us when the connection ends without our DISCONNECT. */
export interface MqttWill {
  readonly topic: string;
  readonly payload: Buffer | string;
  readonly qos?: 0 | 1;
  readonly retain?: boolean;
}

/** What the broker said when it accepted the connection. */
export interface SessionStart {
  /** It still had the session: what it had not delivered comes now. */
  readonly isResumed: boolean;
  /** Of one packet, in bytes, when the broker names a limit (MQTT 5). */
  readonly largestPacketBytes?: number;
  readonly mayRetain: boolean;
}

export interface MqttSessionOptions {
  /** Default 4, which is MQTT 3.1.1. */
  readonly protocolVersion?: 4 | 5;
  /** True: the broker keeps subscriptions and queues QoS 1 messages while we are away. */
  readonly isDurable: boolean;
  /** MQTT 5: how long it keeps a durable session, in seconds; default for ever. */
  readonly expirySeconds?: number;
  /** Default 60. A broker that is silent for 1.5 times as long is dead. */
  readonly keepAliveSeconds?: number;
  readonly will?: MqttWill;
  /** Subscribed at each connection, before the session counts as connected. */
  readonly filters?: readonly SessionFilter[];
  /**
   * Messages handled at once; default 1. Their handlers start in the order of the messages and may end in any; they are
   * acknowledged in order [MQTT-4.6.0-2]. MQTT 5 brokers are told, so that they send no more than that (Receive
   * Maximum).
   */
  readonly window?: number;
  /**
   * Called for each message, which is acknowledged once the promise resolves. When it rejects, the connection is
   * dropped with everything unacknowledged, and the broker delivers that again at the next one if the session is
   * durable. Handlers still running then are waited for, up to 20 s, so that none runs twice at once. It has no
   * deadline of its own.
   */
  readonly onMessage?: (message: MqttMessage) => void | Promise<void>;
  readonly onConnected?: (start: SessionStart) => void;
  readonly onDisconnected?: () => void;
  /**
   * Called for each fault of the connection and of a handler, which the session survives; default: a process warning.
   */
  readonly onFault?: (fault: Error) => void;
}

export interface SessionPublishOptions {
  /** Default 1. At 2 the broker gets the message exactly once while the connection holds, else at least once. */
  readonly qos?: 0 | 1 | 2;
  readonly retain?: boolean;
  /** Left out on an MQTT 3.1.1 connection. */
  readonly properties?: MessageProperties;
  /** How long to wait for the connection and the broker's PUBACK, in milliseconds, at most 2^31 - 1; default 10 000. */
  readonly deadlineMs?: number;
  /** Gives the message up; the broker may have it. */
  readonly signal?: AbortSignal;
}

/**
 * One MQTT session under one exact client id, for those who need more of MQTT than `Mqtt` shows, such as a bridge or
 * the client of a cloud. It keeps itself connected until it is closed. Opened by `openMqttSession`.
 */
export abstract class MqttSession {
  /** True while there is a connection with all filters subscribed. */
  abstract readonly isConnected: boolean;

  /**
   * Resolves when the session is connected, at once if it is.
   *
   * @throws Problem `unavailable`: not within the deadline, with the last fault; the session goes on trying.
   */
  abstract connected(deadlineMs: number): Promise<void>;

  /**
   * Publishes a message; resolves when the broker has acknowledged it (QoS 1 and 2) or it has been written (QoS 0).
   * After a lost connection it is sent again, in the order of the calls, so it may arrive twice. MQTT 5: no more are
   * unacknowledged at once than the broker allows (its Receive Maximum); the others wait.
   *
   * @throws PublishRefused: the broker gave a reason (MQTT 5).
   * @throws Problem `unavailable`: the deadline passed; the broker may have the message.
   * @throws the reason of `signal`
   */
  abstract publish(topic: string, payload: Buffer | string, options?: SessionPublishOptions): Promise<void>;

  /**
   * Adds a filter, now and for each later connection.
   *
   * @throws Problem `forbidden`: the broker refuses it; it is not added.
   * @throws Problem `unavailable`: no answer within 10 s; it is not added.
   */
  abstract subscribe(filter: SessionFilter): Promise<void>;

  /** @throws Problem `unavailable`: no answer within 10 s; the broker may go on sending. */
  abstract unsubscribe(filter: string): Promise<void>;

  /**
   * Drops the connection without DISCONNECT and stays away until `resume`: what is not acknowledged stays with the
   * broker, which publishes the will. For a bridge whose other side is down.
   */
  abstract suspend(): void;

  abstract resume(): void;

  /** Says DISCONNECT, so there is no will, and ends for good; publications that wait fail. Safe to call twice. */
  abstract close(): Promise<void>;
}

/** The broker answered the CONNECT, and refused it. */
export class ConnectionRefused extends Error {
  override readonly name = 'ConnectionRefused';

  /** @param code return code of MQTT 3.1.1 §3.2.2.3, or reason code of MQTT 5.0 §3.2.2.2: 0x80 or more */
  constructor(
    message: string,
    readonly code: number,
  ) {
    super(message);
  }
}

/** The broker took a message and refused it. */
export class PublishRefused extends Error {
  override readonly name = 'PublishRefused';

  /** @param reasonCode 0x80 or more (MQTT 5.0 §3.4.2.1) */
  constructor(
    topic: string,
    readonly reasonCode: number,
  ) {
    super(`the MQTT broker refused a message to ${topic}: reason code 0x${reasonCode.toString(16)}`);
  }
}
