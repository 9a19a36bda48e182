import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { requireGroup, type Settings } from '@sallyport/config';
import type { MqttConnection, MqttCredentials, TlsMaterial } from '@sallyport/mqtt';
import type { ServiceName } from '@sallyport/protocol';

/**
 * How a service in a process of its own reaches the broker: `mqtt.client.*`. TLS is used when a CA is set; the files
 * are read again at each connection, so a renewed certificate is used without a restart.
 *
 * @throws Problem `config-invalid`: only one of certificate and key is set.
 */
export function networkConnection(settings: Settings, service: ServiceName): MqttConnection {
  const host = settings.require('mqtt.client.host');
  // RFC 3986 §3.2.2: an IPv6 address is written in brackets.
  const place = `${host.includes(':') ? `[${host}]` : host}:${settings.require('mqtt.client.port')}`;
  const tls = tlsSource(settings);
  const credentials = credentialSource(settings);
  return {
    kind: 'network',
    clientId: `sallyport-${service}-${instanceOf(settings)}`,
    url: `${tls === undefined ? 'mqtt' : 'mqtts'}://${place}`,
    ...(tls === undefined ? {} : { tls }),
    ...(credentials === undefined ? {} : { credentials }),
  };
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

function tlsSource(settings: Settings): (() => Promise<TlsMaterial>) | undefined {
  const [file, directory] = [settings.get('mqtt.client.auth.ca_file'), settings.get('mqtt.client.auth.ca_dir')];
  const pair = requireGroup(settings, ['mqtt.client.auth.cert_file', 'mqtt.client.auth.key_file']);
  if (file === undefined && directory === undefined) return undefined;
  return async () => {
    const ca = await Promise.all(
      [...(file === undefined ? [] : [file]), ...(await certificatesIn(directory))].map(readText),
    );
    if (pair === undefined) return { ca };
    const [cert = '', key = ''] = await Promise.all(pair.map(readText));
    return { ca, cert, key };
  };
}

async function certificatesIn(directory: string | undefined): Promise<string[]> {
  if (directory === undefined) return [];
  const names = await readdir(directory);
  return names.filter((name) => /\.(?:pem|cer|crt)$/.test(name)).map((name) => join(directory, name));
}

function credentialSource(settings: Settings): (() => Promise<MqttCredentials>) | undefined {
  const username = settings.get('mqtt.client.auth.username');
  const passwordFile = settings.get('mqtt.client.auth.password_file');
  if (username === undefined) return undefined;
  return async () => {
    if (passwordFile === undefined) return { username };
    const [password = ''] = (await readText(passwordFile)).split(/\r?\n/, 1);
    return { username, password };
  };
}

function readText(path: string): Promise<string> {
  return readFile(path, 'utf8');
}
