import { join } from 'node:path';
import type { Settings } from '@sallyport/config';
import { EmbeddedBroker } from '@sallyport/embedded-broker';
import type { MqttConnection } from '@sallyport/mqtt';
import type { ServiceName } from '@sallyport/protocol';
import {
  backSidePlace,
  type Log,
  networkConnection,
  openConfiguredStore,
  type ServiceDefinition,
  type StartingProcess,
} from '@sallyport/runtime';
import { type Store, scopedStore } from '@sallyport/store';
import { BackSideSocket } from './back-side-socket.js';
import { mqttBroker } from './broker-service.js';

/** What a process needs to run the service `mqtt-broker`, and other services beside it. */
export interface OpenedBroker {
  readonly service: ServiceDefinition;
  /** What the embedded broker keeps its state in; the door needs no store. */
  readonly store?: Store;
  /** How a service of this process reaches the broker. */
  readonly connectionFor: (service: ServiceName, settings: Settings) => MqttConnection;
}

export interface OpenBrokerOptions {
  readonly log: Log;
  /** The store of the whole process. The embedded broker opens the configured one without it; the door needs none. */
  readonly store?: Store;
}

/**
 * Prepares the broker that the settings ask for: the door in front of another one where `mqtt.broker.url` is set, or
 * else the embedded one.
 *
 * @param process what is opened here is stopped with it
 * @throws Problem `config-invalid`, `conflict`: `mqtt.broker.socket` cannot be used.
 * @throws Error: what an earlier run stored cannot be read.
 */
export async function openBroker(process: StartingProcess, options: OpenBrokerOptions): Promise<OpenedBroker> {
  const place = backSidePlace(process.settings, 'mqtt-broker');
  if (place === undefined) return openEmbedded(process, options);
  return {
    service: mqttBroker({ kind: 'other', place }),
    connectionFor: (service, settings) => networkConnection(settings, service),
  };
}

async function openEmbedded({ settings, opened }: StartingProcess, options: OpenBrokerOptions): Promise<OpenedBroker> {
  const { log } = options;
  const store = options.store ?? (await openConfiguredStore(settings, log));
  if (options.store === undefined) opened({ name: 'store of the broker', stop: () => store.close() });
  const onWarning = (text: string, fields: Readonly<Record<string, unknown>>) =>
    log.warn({ ...fields, service: 'mqtt-broker' }, text);
  const broker = new EmbeddedBroker({
    directory: join(settings.require('data.path'), 'mqtt-broker'),
    store: scopedStore(store, 'mqtt-broker/'),
    onWarning,
  });
  opened({ name: 'broker', stop: () => broker.close() });
  await broker.ready;
  const path = settings.get('mqtt.broker.socket');
  if (path !== undefined) {
    const socket = await BackSideSocket.open(path, { broker, onWarning });
    opened({ name: 'back side of the broker', stop: () => socket.close() });
  }
  return {
    store,
    service: mqttBroker({ kind: 'embedded', broker, ...(path === undefined ? {} : { socket: path }) }),
    // Inside one process services reach the broker through memory: there is no port to protect.
    connectionFor: (service) => ({
      kind: 'in-process',
      openStream: () => broker.openStream(),
      clientId: `sallyport-${service}`,
    }),
  };
}
