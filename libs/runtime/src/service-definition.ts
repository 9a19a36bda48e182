import type { DynamicModule } from '@nestjs/common';
import type { ServiceName } from '@sallyport/protocol';
import type { ServiceContext } from './service-context.js';

/**
 * A service as the runtime sees it. Controllers of its module are the admin API, message handlers its RPC; listeners
 * that face devices open in `onApplicationBootstrap` and drain in `beforeApplicationShutdown`.
 */
export interface ServiceDefinition {
  readonly name: ServiceName;
  readonly module: (context: ServiceContext) => DynamicModule;
}
