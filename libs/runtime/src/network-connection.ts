import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { requireGroup, type Settings } from '@sallyport/config';
import type { MqttConnection, MqttCredentials, TlsMaterial } from '@sallyport/mqtt';
import { deviceId, Problem, type ServiceName, statePlaces, userNameOf } from '@sallyport/protocol';
import { type BrokerPlace, clientPlace } from './mqtt-client.js';

/**
 * How a service in a process of its own reaches the broker: by its back side if that is set (`mqtt.broker.url`, or else
 * `mqtt.broker.socket`), otherwise as a client of the network (`mqtt.client.*`). TLS files are read again at each
 * connection, so a renewed certificate is used without a restart.
 *
 * @throws Problem `config-invalid`: only one of certificate and key is set.
 */
export function networkConnection(settings: Settings, service: ServiceName): MqttConnection {
  const place = backSidePlace(settings, service) ?? socketPlace(settings, service) ?? clientPlace(settings);
  return { ...place, clientId: `sallyport-${service}-${instanceOf(settings)}` };
}

/**
 * The back side of the broker that `mqtt.broker.url` names; undefined when it is not set. For `mqtts`, the service shows
 * the certificate it has enrolled for, and trusts the CA of this site, unless `mqtt.broker.*_file` name others.
 *
 * @throws Problem `config-invalid`: only one of certificate and key is set.
 */
export function backSidePlace(settings: Settings, service: ServiceName): BrokerPlace | undefined {
  const url = settings.get('mqtt.broker.url');
  if (url === undefined) return undefined;
  const pair = requireGroup(settings, ['mqtt.broker.cert_file', 'mqtt.broker.key_file']);
  const credentials = backSideName(service);
  if (!url.startsWith('mqtts:')) return { kind: 'network', url, credentials };
  const folder = statePlaces(settings.stateDirectory).folderOf(service);
  const [cert = '', key = ''] = pair ?? [join(folder, 'certificate.pem'), join(folder, 'private-key.pem')];
  const ca = settings.get('mqtt.broker.ca_file') ?? join(folder, 'ca.pem');
  return { kind: 'network', url, credentials, tls: () => backSideMaterial({ ca, cert, key }) };
}

/** On the back side a service says which one it is. Only our services can reach it. */
function backSideName(service: ServiceName): () => Promise<MqttCredentials> {
  const username = userNameOf({ role: 'service', name: deviceId.parse(service) });
  return async () => ({ username });
}

/** @throws Problem `config-invalid`: a file cannot be read. */
async function backSideMaterial(paths: { ca: string; cert: string; key: string }): Promise<TlsMaterial> {
  const read = async (path: string, setting: string) => {
    try {
      return await readText(path);
    } catch (cause) {
      throw new Problem(
        'config-invalid',
        `Cannot read a file for mqtt.broker.url: ${reasonOf(cause)}. Enrol this service, or set mqtt.broker.${setting}.`,
        { cause },
      );
    }
  };
  const [ca, cert, key] = await Promise.all([
    read(paths.ca, 'ca_file'),
    read(paths.cert, 'cert_file'),
    read(paths.key, 'key_file'),
  ]);
  return { ca: [ca], cert, key };
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** The embedded broker, in another process of this machine. */
function socketPlace(settings: Settings, service: ServiceName): BrokerPlace | undefined {
  const socket = settings.get('mqtt.broker.socket');
  if (socket === undefined) return undefined;
  return { kind: 'network', url: `unix:${socket}`, credentials: backSideName(service) };
}

/**
 * Differs between replicas of a service, and stays the same when a process restarts. Two sessions with one client id would
 * end each other again and again. A new id after a restart would leave behind the messages that the broker has queued for
 * us. Two processes of one service never share a run directory: the admin socket prevents it.
 */
function instanceOf(settings: Settings): string {
  return createHash('sha256')
    .update(`${hostname()}\0${settings.require('run.path')}`)
    .digest('hex')
    .slice(0, 12);
}

function readText(path: string): Promise<string> {
  return readFile(path, 'utf8');
}
