import { readFile } from 'node:fs/promises';
import { requireGroup, type Settings } from '@sallyport/config';
import type { MqttConnection } from '@sallyport/mqtt';
import type { ServiceName } from '@sallyport/protocol';

/**
 * How a service in a process of its own reaches the broker: `mqtt.client.*`. TLS is used when a CA is set; the files
 * are read again at each connection, so a renewed certificate is used without a restart.
 *
 * @throws Problem `config-invalid`: only one of certificate and key is set.
 */
export function networkConnection(settings: Settings, service: ServiceName): MqttConnection {
  const { host, port } = { host: settings.require('mqtt.client.host'), port: settings.require('mqtt.client.port') };
  const clientId = `sallyport-${service}`;
  const caFile = settings.get('mqtt.client.auth.ca_file');
  const pair = requireGroup(settings, ['mqtt.client.auth.cert_file', 'mqtt.client.auth.key_file']);
  if (caFile === undefined) return { kind: 'network', url: `mqtt://${host}:${port}`, clientId };
  const tls = async () => {
    const ca = [await readFile(caFile, 'utf8')];
    if (pair === undefined) return { ca };
    const [cert = '', key = ''] = await Promise.all(pair.map((path) => readFile(path, 'utf8')));
    return { ca, cert, key };
  };
  return { kind: 'network', url: `mqtts://${host}:${port}`, tls, clientId };
}
