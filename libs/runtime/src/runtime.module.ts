import { type DynamicModule, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Mqtt, RpcClient } from '@sallyport/mqtt';
import { Store } from '@sallyport/store';
import { Clock } from './clock.js';
import { HealthController } from './health.controller.js';
import { Log } from './log.js';
import { OpenApiController } from './openapi/openapi.controller.js';
import { ServiceContext } from './service-context.js';

/** Gives a service's classes what the runtime opened for it. */
@Module({})
export class RuntimeModule {
  static forService(context: ServiceContext, service: DynamicModule): DynamicModule {
    const providers = [
      { provide: ServiceContext, useValue: context },
      { provide: Log, useValue: context.log },
      { provide: Clock, useValue: context.clock },
      { provide: Store, useValue: context.store },
      { provide: Mqtt, useValue: context.mqtt },
      { provide: RpcClient, useValue: context.rpc },
    ];
    return {
      module: RuntimeModule,
      global: true,
      imports: [DiscoveryModule, service],
      controllers: [HealthController, OpenApiController],
      providers,
      exports: providers.map(({ provide }) => provide),
    };
  }
}
