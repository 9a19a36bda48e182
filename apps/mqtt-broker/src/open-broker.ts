import { join } from 'node:path';
import { openMqttAccess, type Settings } from '@sallyport/config';
import { EmbeddedBroker, tableRules } from '@sallyport/embedded-broker';
import type { MqttConnection } from '@sallyport/mqtt';
import { deviceId, type MqttAccess, type ProvenPeer, type ServiceName } from '@sallyport/protocol';
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

/** The part of a process that is needed to open its broker. */
export type OpeningProcess = Pick<StartingProcess, 'settings' | 'readSettings' | 'opened'>;

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
 * @throws Problem `config-invalid`, `conflict`: `mqtt.broker.socket` or `mqtt.access.rules_path` cannot be used.
 * @throws Error: what an earlier run stored cannot be read.
 */
export async function openBroker(process: OpeningProcess, options: OpenBrokerOptions): Promise<OpenedBroker> {
  const place = backSidePlace(process.settings, 'mqtt-broker');
  const access = await openAccess(process, options.log);
  if (place === undefined) return openEmbedded(process, { ...options, access });
  return {
    service: mqttBroker({ kind: 'other', place, access }),
    connectionFor: (service, settings) => networkConnection(settings, service),
  };
}

/** The access table of the site, which follows the file of its rules while the process runs. */
async function openAccess({ settings, readSettings, opened }: OpeningProcess, log: Log): Promise<MqttAccess> {
  const service = 'mqtt-broker';
  const { access, stop } = await openMqttAccess(settings, {
    readSettings,
    onChange: (rules) => log.info({ service, rules }, 'the rules of the site for MQTT topics have changed'),
    onFault: ({ message }) =>
      log.error(
        { service, reason: message },
        'the rules of the site for MQTT topics cannot be used, those from before stay',
      ),
  });
  opened({ name: 'access rules', stop: async () => stop() });
  return access;
}

interface OpenEmbeddedOptions extends OpenBrokerOptions {
  readonly access: MqttAccess;
}

async function openEmbedded({ settings, opened }: OpeningProcess, options: OpenEmbeddedOptions): Promise<OpenedBroker> {
  const { log, access } = options;
  const store = options.store ?? (await openConfiguredStore(settings, log));
  if (options.store === undefined) opened({ name: 'store of the broker', stop: () => store.close() });
  const onWarning = (text: string, fields: Readonly<Record<string, unknown>>) =>
    log.warn({ ...fields, service: 'mqtt-broker' }, text);
  const broker = new EmbeddedBroker({
    directory: join(settings.require('data.path'), 'mqtt-broker'),
    store: scopedStore(store, 'mqtt-broker/'),
    rules: tableRules(access),
    onWarning,
  });
  opened({ name: 'broker', stop: () => broker.close() });
  access.onChange(() => broker.rulesChanged());
  await broker.ready;
  const path = settings.get('mqtt.broker.socket');
  if (path !== undefined) {
    const socket = await BackSideSocket.open(path, { broker, onWarning });
    opened({ name: 'back side of the broker', stop: () => socket.close() });
  }
  return {
    store,
    service: mqttBroker({ kind: 'embedded', broker, ...(path === undefined ? {} : { socket: path }) }),
    connectionFor: (service, inUse) => {
      // Another choice needs a restart, and each service says so when it has read what decides it.
      for (const key of ['mqtt.broker.url', 'mqtt.broker.socket'] as const) inUse.get(key);
      // Inside one process services reach the broker through memory: there is no port to protect.
      return {
        kind: 'in-process',
        openStream: () => broker.openStream(peerOf(service)),
        clientId: `sallyport-${service}`,
      };
    },
  };
}

/** The rules of a site choose the topics of the bridge. So it has the rights of the access table here too. */
function peerOf(service: ServiceName): ProvenPeer | undefined {
  return service === 'mqtt-bridge' ? { deviceId: deviceId.parse(service), kind: 'service' } : undefined;
}
