import type { Duplex } from 'node:stream';

/**
 * What a TLS connection needs, in PEM. Read again for each connection, so a renewed certificate is used without a
 * restart.
 */
export interface TlsMaterial {
  /** The CAs that may vouch for the broker. */
  readonly ca: readonly string[];
  readonly cert?: string;
  readonly key?: string;
}

/** What a broker without client certificates may ask for. */
export interface MqttCredentials {
  readonly username: string;
  readonly password?: string;
}

/** How to reach the broker. */
export type MqttConnection =
  | {
      readonly kind: 'network';
      /** `mqtt://host:1883`, `mqtts://host:8883` or `unix:/path`. */
      readonly url: string;
      /** Required for `mqtts`. */
      readonly tls?: () => Promise<TlsMaterial>;
      /** For a broker that asks for a user name; read again for each connection. */
      readonly credentials?: () => Promise<MqttCredentials>;
      /** `connectMqtt` opens several sessions, each `<clientId>/<role>`; `openMqttSession` one with exactly this id. */
      readonly clientId: string;
    }
  | {
      readonly kind: 'in-process';
      /** Opens a byte stream into a broker of the same process. */
      readonly openStream: () => Duplex;
      readonly clientId: string;
    };

export interface PublishOptions {
  /** Default 1. */
  readonly qos?: 0 | 1;
  readonly retain?: boolean;
  /** How long to wait for the connection and the broker's PUBACK, in milliseconds; default 10 000. */
  readonly deadlineMs?: number;
}

/** Called for each message of a subscription, one at a time and in order. */
export type MessageHandler = (topic: string, payload: Buffer) => void | Promise<void>;

export interface SubscriptionOptions {
  /**
   * False: the broker keeps nothing while we are not connected, and leaves no session behind. Messages may be missed,
   * so the subscriber must ask for the present state after each `onReconnect`. When its handler fails, the message is
   * not delivered again; the connection is made anew, so that `onReconnect` is called. Default true.
   */
  readonly isDurable?: boolean;
}

export interface MqttSubscription {
  /**
   * Ends the subscription; the broker queues nothing for it any more.
   *
   * @throws Problem `unavailable`: the broker cannot be reached, the subscription goes on.
   */
  unsubscribe(): Promise<void>;
}

/** An MQTT 3.1.1 client that keeps itself connected. */
export abstract class Mqtt {
  /**
   * Publishes a message; resolves when the broker has acknowledged it (QoS 1) or it has been written (QoS 0).
   * A message whose acknowledgement was lost is sent again, so it may arrive twice.
   *
   * @throws Problem `unavailable`: the deadline passed; the broker may still have the message. Safe to retry.
   */
  abstract publish(topic: string, payload: Buffer | string, options?: PublishOptions): Promise<void>;

  /**
   * Subscribes at QoS 1; resolves once the broker has granted it. What follows holds for durable subscriptions.
   *
   * Each subscription has its own session, which the broker keeps while we are away. So nothing is lost over a restart,
   * and a slow handler does not delay other subscriptions. A message is acknowledged when its handler is done. When the
   * handler fails or takes longer than 20 s, the broker delivers the message again after a back-off. After 20 failures
   * in a row the broker keeps it as a dead letter instead (`deadLetterRoot` of @sallyport/protocol). A handler that
   * throws Problem `unavailable` or `storage-full` cannot work now, so that does not count. So handlers see a message
   * at least once, in order, and must be idempotent.
   *
   * @throws Problem `forbidden`: the broker refuses the filter.
   * @throws Problem `unavailable`: no connection within 30 s.
   */
  abstract subscribe(filter: string, handler: MessageHandler, options?: SubscriptionOptions): Promise<MqttSubscription>;

  /** Calls the listener each time all sessions are connected again after one of them was not. */
  abstract onReconnect(listener: () => void): void;

  /** True while every session is connected. */
  abstract readonly isConnected: boolean;

  /** Ends all sessions; unfinished publications fail. Safe to call twice. */
  abstract close(): Promise<void>;
}
