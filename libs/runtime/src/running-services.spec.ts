import type { Duplex } from 'node:stream';
import { Controller, Module } from '@nestjs/common';
import { loadSettings } from '@sallyport/config';
import { Mqtt, RpcHandler } from '@sallyport/mqtt';
import { Problem, recordRefusal, type ServiceName } from '@sallyport/protocol';
import { temporaryDirectory, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { type ProcessResources, RunningServices } from './running-services.js';
import type { ServiceNeeds } from './service-definition.js';
import { closeTestContext, openTestContext } from './testing.js';

@Controller()
class Answering {
  @RpcHandler(recordRefusal)
  record() {
    return {};
  }
}

@Module({})
class EmptyModule {}

const everything = { store: true, mqtt: true, rpc: true } as const;

/** A service whose door closes as it is told. */
function service(name: ServiceName, closeDoor: () => void | Promise<void>, needs: ServiceNeeds = everything) {
  const door = { beforeApplicationShutdown: closeDoor };
  return { name, needs, module: () => ({ module: EmptyModule, providers: [{ provide: 'door', useValue: door }] }) };
}

async function openSite(options: Partial<ProcessResources> = {}) {
  const directory = temporaryDirectory();
  const context = await openTestContext(directory.path);
  const { settings, log, clock, store, mqttConnection } = context;
  const readSettings = async () => settings;
  const streams: Duplex[] = [];
  const site = { isBrokerAway: false, streams, directory: directory.path };
  const openStream = (): Duplex => {
    if (mqttConnection.kind !== 'in-process' || site.isBrokerAway) throw new Error('the broker is away');
    const stream = mqttConnection.openStream();
    streams.push(stream);
    return stream;
  };
  const connectionFor = () => ({ kind: 'in-process', openStream, clientId: 'test' }) as const;
  return Object.assign(site, {
    services: new RunningServices({ settings, readSettings, log, clock, store, connectionFor, ...options }),
    [Symbol.asyncDispose]: async () => {
      await closeTestContext(context);
      await directory.remove();
    },
  });
}

describe('services of one process', () => {
  it('are not ready while one of their connections to the broker is away', async () => {
    await using site = await openSite();
    const { services, streams } = site;
    const module = () => ({ module: EmptyModule, controllers: [Answering] });
    const { context } = await services.start({ name: 'agent', needs: everything, module });
    expect(await context.readiness.report()).toEqual({ ready: true, faults: {} });
    site.isBrokerAway = true;
    const connections = streams.splice(0);
    expect(connections).toHaveLength(4);
    // The first carries events. Requests of ours, our health, and requests to us have connections of their own.
    for (const connection of connections.slice(1)) connection.destroy();
    await waitFor(async () => !(await context.readiness.report()).ready);
    expect((await context.readiness.report()).faults).toEqual({
      mqtt: 'is not connected to the broker',
      rpc: 'is not connected to the broker',
    });
    site.isBrokerAway = false;
    await waitFor(async () => (await context.readiness.report()).ready);
    await services.stop();
  });

  it('open no connection for requests of others where nothing answers them', async () => {
    await using site = await openSite();
    const { context } = await site.services.start(service('agent', () => undefined));
    // For events, for requests of ours, and for our health.
    expect(site.streams).toHaveLength(3);
    expect(await context.readiness.report()).toEqual({ ready: true, faults: {} });
    await site.services.stop();
  });

  it('say that a changed port of the probes, and a changed store they need, need a restart', async () => {
    const readSettings = async () => changed;
    await using site = await openSite({ readSettings });
    const env = { TEDGE_HEALTH_BIND_PORT: '9100', TEDGE_STORE_URL: 'redis://localhost' };
    const { settings: changed } = await loadSettings({ configDir: site.directory, env, cwd: site.directory });
    const { context: registry } = await site.services.start(service('device-registry', () => undefined));
    const { context: agent } = await site.services.start(service('agent', () => undefined, {}));
    await Promise.all([registry.reloadSettings(), agent.reloadSettings()]);
    expect(registry.outdatedSettings).toEqual(['health.bind.port', 'store.url']);
    expect(agent.outdatedSettings).toEqual(['health.bind.port']);
    await site.services.stop();
  });

  it('stop in the opposite order of their start', async () => {
    await using site = await openSite();
    const closed: string[] = [];
    for (const name of ['device-registry', 'agent'] as const)
      await site.services.start(service(name, () => void closed.push(name)));
    await site.services.stop();
    expect(closed).toEqual(['agent', 'device-registry']);
  });

  it('do not wait for ever for one that hangs', async () => {
    await using site = await openSite({ stopBudgetMs: 50 });
    const closed: string[] = [];
    await site.services.start(service('device-registry', () => void closed.push('device-registry')));
    const { context, app } = await site.services.start(service('agent', () => new Promise<void>(() => undefined)));
    await expect(site.services.stop()).rejects.toThrow('agent did not stop within');
    expect(closed).toEqual(['device-registry']);
    expect(context.signal.aborted).toBe(true);
    expect(app.get(Mqtt, { strict: false }).isConnected).toBe(false);
  });

  it('say why one could not start, although it cannot be stopped either', async () => {
    await using site = await openSite();
    const door = {
      onApplicationBootstrap: () => Promise.reject(new Problem('config-invalid', 'Port 8000 is taken.')),
      beforeApplicationShutdown: () => Promise.reject(new Error('never opened')),
    };
    const module = () => ({ module: EmptyModule, providers: [{ provide: 'door', useValue: door }] });
    await expect(site.services.start({ name: 'agent', needs: everything, module })).rejects.toThrow(
      'Port 8000 is taken.',
    );
    await site.services.stop();
  });
});
