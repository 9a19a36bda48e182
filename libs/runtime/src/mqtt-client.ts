import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { requireGroup, type Settings } from '@sallyport/config';
import { codeOrMessage } from '@sallyport/files';
import type { MqttConnection, MqttCredentials, TlsMaterial } from '@sallyport/mqtt';
import { Problem } from '@sallyport/protocol';

/** How to reach a broker; the client id is left to the caller. */
export type BrokerPlace = Omit<Extract<MqttConnection, { readonly kind: 'network' }>, 'clientId'>;

/** A file, and the setting that names it or its directory. */
interface NamedFile {
  readonly key: string;
  readonly path: string;
}

/**
 * How the programs of this device reach the broker: `mqtt.client.*`. TLS is used when a CA is set, as in thin-edge.io. The
 * files are read again at each connection, so a renewed certificate is used without a restart.
 *
 * @throws Problem `config-invalid`: only one of certificate and key is set. The connection itself throws it when a file
 *   cannot be read or holds no certificate, and names the setting.
 */
export function clientPlace(settings: Settings): BrokerPlace {
  const host = settings.require('mqtt.client.host');
  // RFC 3986 §3.2.2: an IPv6 address is written in brackets.
  const place = `${host.includes(':') ? `[${host}]` : host}:${settings.require('mqtt.client.port')}`;
  const tls = tlsSource(settings);
  const credentials = credentialSource(settings);
  return {
    kind: 'network',
    url: `${tls === undefined ? 'mqtt' : 'mqtts'}://${place}`,
    ...(tls === undefined ? {} : { tls }),
    ...(credentials === undefined ? {} : { credentials }),
  };
}

function tlsSource(settings: Settings): (() => Promise<TlsMaterial>) | undefined {
  const [file, directory] = [settings.get('mqtt.client.auth.ca_file'), settings.get('mqtt.client.auth.ca_dir')];
  const pair = requireGroup(settings, ['mqtt.client.auth.cert_file', 'mqtt.client.auth.key_file']);
  if (file === undefined && directory === undefined) return undefined;
  return async () => {
    const ca = [...(await authoritiesIn(file)), ...(await authoritiesBelow(directory))];
    if (pair === undefined) return { ca };
    const [certPath = '', keyPath = ''] = pair;
    const cert = await readNamed({ key: 'mqtt.client.auth.cert_file', path: certPath });
    return { ca, cert, key: await readNamed({ key: 'mqtt.client.auth.key_file', path: keyPath }) };
  };
}

async function authoritiesIn(path: string | undefined): Promise<string[]> {
  return path === undefined ? [] : [await readAuthorities({ key: 'mqtt.client.auth.ca_file', path })];
}

/** As in thin-edge.io: files with these names, none in subdirectories, and each has to hold certificates. */
async function authoritiesBelow(directory: string | undefined): Promise<string[]> {
  if (directory === undefined) return [];
  const key = 'mqtt.client.auth.ca_dir';
  const names = await readdir(directory).catch((error: unknown) => {
    throw unreadable({ key, path: directory }, error);
  });
  const paths = names.filter((name) => /\.(?:pem|cer|crt)$/.test(name)).map((name) => join(directory, name));
  // thin-edge.io would go on without TLS here.
  if (paths.length === 0) throw unusable({ key, path: directory }, 'has no file *.pem, *.cer or *.crt');
  return Promise.all(paths.map((path) => readAuthorities({ key, path })));
}

async function readAuthorities(file: NamedFile): Promise<string> {
  const text = await readNamed(file);
  if (!/-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/.test(text)) throw unusable(file, 'holds no certificate (PEM)');
  return text;
}

function credentialSource(settings: Settings): (() => Promise<MqttCredentials>) | undefined {
  const username = settings.get('mqtt.client.auth.username');
  const passwordFile = settings.get('mqtt.client.auth.password_file');
  if (username === undefined) return undefined;
  return async () => {
    if (passwordFile === undefined) return { username };
    const text = await readNamed({ key: 'mqtt.client.auth.password_file', path: passwordFile });
    const [password = ''] = text.split(/\r?\n/, 1);
    return { username, password };
  };
}

function readNamed(file: NamedFile): Promise<string> {
  return readFile(file.path, 'utf8').catch((error: unknown) => {
    throw unreadable(file, error);
  });
}

function unreadable(file: NamedFile, error: unknown): Problem {
  return unusable(file, `cannot be read (${codeOrMessage(error)})`, error);
}

function unusable({ key, path }: NamedFile, what: string, cause?: unknown): Problem {
  return new Problem('config-invalid', `${key}: ${path} ${what}. Correct the setting or the file.`, { cause });
}
