import { readFile } from 'node:fs/promises';
import { isGroupSet, type Settings } from '@sallyport/config';
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
  const hasCertificate = isGroupSet(settings, 'mqttClient');
  if (caFile === undefined) return { kind: 'network', url: `mqtt://${host}:${port}`, clientId };
  const tls = async () => {
    const ca = [await readFile(caFile, 'utf8')];
    if (!hasCertificate) return { ca };
    const [cert, key] = await Promise.all([
      readFile(settings.require('mqtt.client.auth.cert_file'), 'utf8'),
      readFile(settings.require('mqtt.client.auth.key_file'), 'utf8'),
    ]);
    return { ca, cert, key };
  };
  return { kind: 'network', url: `mqtts://${host}:${port}`, tls, clientId };
}
