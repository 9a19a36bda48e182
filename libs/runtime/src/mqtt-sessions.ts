import type { Duplex } from 'node:stream';
import {
  type MqttConnection,
  type MqttCredentials,
  type MqttSession,
  type MqttSessionOptions,
  openMqttSession,
  type TlsMaterial,
} from '@sallyport/mqtt';
import type { ServiceName } from '@sallyport/protocol';

/** A connection to the broker of the services that nobody has opened yet, or whose stream is open and says nothing yet. */
export type ConnectionOnce =
  | { readonly kind: 'stream'; readonly stream: Duplex }
  | {
      readonly kind: 'network';
      readonly url: string;
      readonly tls?: TlsMaterial;
      /** What CONNECT has to say. */
      readonly credentials?: MqttCredentials;
    };

/**
 * Opens MQTT sessions for messages of devices, which need more than `Mqtt` shows: wills, retained flags, several filters
 * in one order. Each is closed by the one that opened it.
 */
export class MqttSessions {
  constructor(
    private readonly connection: MqttConnection,
    private readonly service: ServiceName,
  ) {}

  /** Names this replica among others. The same after a restart. */
  get replica(): string {
    return this.connection.clientId;
  }

  /** Whether other replicas of the service may use the same broker: not if it is in this process. */
  get mayHaveReplicas(): boolean {
    return this.connection.kind === 'network';
  }

  /** A session of this process alone. */
  open(role: string, options: MqttSessionOptions): MqttSession {
    return this.openAs(`${this.connection.clientId}/${role}`, options);
  }

  /**
   * The one session of all replicas. What the broker queued for it waits for the next one that opens it. Only one of them
   * may have it open: a second one ends the first, and the first comes back.
   */
  openShared(role: string, options: MqttSessionOptions): MqttSession {
    return this.openAs(`sallyport-${this.service}/${role}`, options);
  }

  /**
   * How to open one more connection, for a client with a codec of its own. Of a broker of the network it is plain data,
   * so that another thread may open it; with the files as they are now.
   *
   * @throws Problem `config-invalid`: a file that the connection needs cannot be read, or is not what it should be
   */
  async connectionOnce(): Promise<ConnectionOnce> {
    const { connection } = this;
    if (connection.kind === 'in-process') return { kind: 'stream', stream: connection.openStream() };
    const [tls, credentials] = [await connection.tls?.(), await connection.credentials?.()];
    return {
      kind: 'network',
      url: connection.url,
      ...(tls === undefined ? {} : { tls }),
      ...(credentials === undefined ? {} : { credentials }),
    };
  }

  private openAs(clientId: string, options: MqttSessionOptions): MqttSession {
    return openMqttSession({ ...this.connection, clientId }, options);
  }
}
