import { connect as connectTcp, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { checkServerIdentity, connect as connectTls, type PeerCertificate } from 'node:tls';
import { lookupHost, Problem } from '@sallyport/protocol';
import type { MqttConnection, TlsMaterial } from './port.js';
import { toError } from './to-error.js';

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
  if (protocol === 'mqtt:') return connectTcp({ ...target, lookup: lookupHost }).setNoDelay(true);
  if (protocol !== 'mqtts:' || connection.tls === undefined)
    throw new Problem(
      'config-invalid',
      `Cannot connect to ${connection.url}: use mqtt://, or mqtts:// with a CA file.`,
    );
  return openTls(target, await connection.tls());
}

function openTls({ host, port }: { host: string; port: number }, { ca, cert, key }: TlsMaterial): Duplex {
  try {
    const socket = connectTls({
      host,
      port,
      lookup: lookupHost,
      // Always a list: undefined would trust every public CA.
      ca: [...ca],
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(isIP(host) === 0 ? { servername: host } : {}),
      checkServerIdentity: checkName,
      minVersion: 'TLSv1.2',
    });
    return socket.setNoDelay(true);
  } catch (cause) {
    const { message } = toError(cause);
    throw new Problem(
      'config-invalid',
      `The CA, certificate or key for the MQTT broker cannot be used: ${message}. Correct the files; "sallyport doctor" says which.`,
      { cause },
    );
  }
}

/**
 * A loopback address is localhost by another name (RFC 6761 §6.3), so a certificate for localhost will do there. Few
 * certificates of brokers hold 127.0.0.1, which is the default of `mqtt.client.host`.
 */
function checkName(host: string, certificate: PeerCertificate): Error | undefined {
  const fault = checkServerIdentity(host, certificate);
  if (fault === undefined || !isLoopback(host)) return fault;
  return checkServerIdentity('localhost', certificate) === undefined ? undefined : fault;
}

function isLoopback(host: string): boolean {
  return host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
