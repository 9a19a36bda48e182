import { connect as connectTcp, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { Problem } from '@sallyport/protocol';
import type { MqttConnection } from './port.js';

const defaultPorts: Readonly<Record<string, number>> = { 'mqtt:': 1883, 'mqtts:': 8883 };

/**
 * Opens the byte stream MQTT runs on. TLS files are read here, so each connection uses the certificate of the day.
 *
 * @throws Problem `config-invalid`: the URL is none of `unix:`, `mqtt://` and `mqtts://`, or `mqtts` comes without a CA.
 */
export async function openTransport(connection: MqttConnection): Promise<Duplex> {
  if (connection.kind === 'in-process') return connection.openStream();
  const { protocol, hostname, port, pathname } = new URL(connection.url);
  if (protocol === 'unix:') return connectTcp({ path: pathname });
  const host = hostname.replace(/^\[|\]$/g, '');
  const target = { host, port: Number(port) || defaultPorts[protocol] || 0 };
  if (protocol === 'mqtt:') return connectTcp(target).setNoDelay(true);
  if (protocol !== 'mqtts:' || connection.tls === undefined)
    throw new Problem(
      'config-invalid',
      `Cannot connect to ${connection.url}: use mqtt://, or mqtts:// with a CA file.`,
    );
  const { ca, cert, key } = await connection.tls();
  const socket = connectTls({
    ...target,
    // Always a list: undefined would trust every public CA.
    ca: [...ca],
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(isIP(host) === 0 ? { servername: host } : {}),
    minVersion: 'TLSv1.2',
  });
  return socket.setNoDelay(true);
}
