import type { Mqtt, MqttConnection, RpcClient } from '@sallyport/mqtt';
import type { Store } from '@sallyport/store';
import type { FaultLog } from './fault-log.js';
import type { MqttSessions } from './mqtt-sessions.js';

/** Requests to other services and from them. */
export interface OpenedRpc {
  readonly client: RpcClient;
  /** Where requests to this service come from. */
  readonly connection: MqttConnection;
  readonly faults: FaultLog;
}

/** What the runtime opened for a service: as much as its definition needs. */
export interface OpenedParts {
  /** Scoped: every key lies below the service's own prefix. */
  readonly store?: Store;
  readonly mqtt?: Mqtt;
  /** With `mqtt`. */
  readonly sessions?: MqttSessions;
  readonly rpc?: OpenedRpc;
}
