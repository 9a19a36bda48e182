import type { DynamicModule } from '@nestjs/common';
import type { ServiceName } from '@sallyport/protocol';
import type { Store } from '@sallyport/store';
import type { ServiceContext } from './service-context.js';

/**
 * What a service needs beside its context. The runtime opens nothing else for it: a class that asks for more cannot be
 * injected, so the service does not start. `ConnectedContext` needs `mqtt` and `rpc`.
 */
export interface ServiceNeeds {
  /** State that lasts: inject `Store`, which shows the service's own prefix only. */
  readonly store?: true;
  /** Events: inject `Mqtt`. Messages of devices: inject `MqttSessions`. */
  readonly mqtt?: true;
  /** Requests to other services and from them: inject `RpcClient`; message handlers answer. */
  readonly rpc?: true;
}

/**
 * A service as the runtime sees it. Controllers of its module are the admin API, message handlers its RPC; listeners
 * that face devices open in `onApplicationBootstrap` and drain in `beforeApplicationShutdown`.
 */
export interface ServiceDefinition {
  readonly name: ServiceName;
  readonly needs: ServiceNeeds;
  /**
   * What the service has to do before it connects to the broker, such as to renew the certificate that it shows there.
   *
   * @param store what the service gets of it, if it needs one
   */
  readonly beforeConnecting?: (context: ServiceContext, store: Store | undefined) => Promise<void>;
  readonly module: (context: ServiceContext) => DynamicModule;
}
