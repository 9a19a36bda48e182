import { type DynamicModule, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Mqtt, RpcClient } from '@sallyport/mqtt';
import { Store } from '@sallyport/store';
import { Clock } from './clock.js';
import { HealthController } from './health/health.controller.js';
import { Log } from './log.js';
import { MqttSessions } from './mqtt-sessions.js';
import { OpenApiController } from './openapi/openapi.controller.js';
import type { OpenedParts } from './opened-parts.js';
import { ConnectedContext, ServiceContext } from './service-context.js';

/** Gives a service's classes what the runtime opened for it, and nothing else. */
@Module({})
export class RuntimeModule {
  static forService(context: ServiceContext, parts: OpenedParts, service: DynamicModule): DynamicModule {
    const providers = [
      { provide: ServiceContext, useValue: context },
      { provide: Log, useValue: context.log },
      { provide: Clock, useValue: context.clock },
      ...(context instanceof ConnectedContext ? [{ provide: ConnectedContext, useValue: context }] : []),
      ...(parts.store === undefined ? [] : [{ provide: Store, useValue: parts.store }]),
      ...(parts.mqtt === undefined ? [] : [{ provide: Mqtt, useValue: parts.mqtt }]),
      ...(parts.sessions === undefined ? [] : [{ provide: MqttSessions, useValue: parts.sessions }]),
      ...(parts.rpc === undefined ? [] : [{ provide: RpcClient, useValue: parts.rpc.client }]),
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
