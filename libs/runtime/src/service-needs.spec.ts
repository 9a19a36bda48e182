import { Inject, Injectable, Module } from '@nestjs/common';
import { Mqtt, type MqttConnection, RpcClient } from '@sallyport/mqtt';
import { Store } from '@sallyport/store';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { RunningServices } from './running-services.js';
import { ConnectedContext, ServiceContext } from './service-context.js';
import type { ServiceDefinition, ServiceNeeds } from './service-definition.js';
import { closeTestContext, openTestContext } from './testing.js';

@Injectable()
class Cache {
  constructor(@Inject(Store) readonly store: Store) {}
}

@Module({})
class ProxyModule {}

function proxy(needs: ServiceNeeds, providers: (typeof Cache)[] = []): ServiceDefinition {
  return { name: 'agent', needs, module: () => ({ module: ProxyModule, providers }) };
}

/** A process whose services have a broker and, where it says so, a store. */
async function openProcess({ withStore = true } = {}) {
  const directory = temporaryDirectory();
  const context = await openTestContext(directory.path);
  const { settings, log, clock, store, mqttConnection } = context;
  const connected: string[] = [];
  const connectionFor = (service: string): MqttConnection => {
    connected.push(service);
    return mqttConnection;
  };
  const readSettings = async () => settings;
  const resources = { settings, readSettings, log, clock, connectionFor, ...(withStore ? { store } : {}) };
  const services = new RunningServices(resources);
  const close = async () => {
    await services.stop();
    await closeTestContext(context);
    await directory.remove();
  };
  return { services, connected, [Symbol.asyncDispose]: close };
}

describe('a service and what it needs', () => {
  it('gets no store, no events and no requests when it names none of them', async () => {
    await using site = await openProcess({ withStore: false });
    const { app, context } = await site.services.start(proxy({}));
    for (const part of [Store, Mqtt, RpcClient, ConnectedContext])
      expect(() => app.get(part, { strict: false })).toThrow('could not find');
    expect(app.get(ServiceContext, { strict: false })).toBe(context);
    expect(site.connected).toEqual([]);
    expect(await context.readiness.report()).toEqual({ ready: true, faults: {} });
  });

  it('does not start when a class of it injects a store it does not name', async () => {
    await using site = await openProcess();
    await expect(site.services.start(proxy({ mqtt: true, rpc: true }, [Cache]))).rejects.toThrow(/Cache.*Store/s);
  });

  it('gets the part of the store below its own name when it names the store', async () => {
    await using site = await openProcess();
    const { app } = await site.services.start(proxy({ store: true }, [Cache]));
    const { store } = app.get(Cache, { strict: false });
    await store.put('a', 1);
    expect(await store.get('a')).toMatchObject({ key: 'a', value: 1 });
  });

  it('gets a context with both ways to the others when it names events and requests', async () => {
    await using site = await openProcess();
    const { app, context } = await site.services.start(proxy({ mqtt: true, rpc: true }));
    expect(app.get(ConnectedContext, { strict: false })).toBe(context);
    expect(site.connected).toEqual(['agent']);
  });

  it('does not start on a process that opened no store when it names the store', async () => {
    await using site = await openProcess({ withStore: false });
    await expect(site.services.start(proxy({ store: true }))).rejects.toThrow('agent needs a store');
  });

  it('cannot be written so that it takes from its context what it does not name', () => {
    const module = (context: ServiceContext) => {
      // @ts-expect-error the context of every service has no store.
      const { store } = context;
      // @ts-expect-error nor has it the broker.
      const { mqtt } = context;
      return { module: ProxyModule, providers: [store, mqtt] };
    };
    expect(module).toBeTypeOf('function');
  });
});
