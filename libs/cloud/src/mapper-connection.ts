import { join, resolve } from 'node:path';
import type { Settings } from '@sallyport/config';
import { exists, readTextIfPresent } from '@sallyport/files';
import { deviceId, Problem } from '@sallyport/protocol';
import { leafNameIn } from './certificate-name.js';
import type { CloudConnection, CloudSettingNames } from './cloud-connection.js';
import { readCredentials } from './credentials.js';
import { hostAndPortIn } from './host-and-port.js';
import { httpProxyOf } from './http-proxy.js';
import { type MapperSettings, parseMapper } from './mapper-file.js';
import { fileFault, parseTomlFile, type TomlFile } from './toml-file.js';

/** A user-defined mapper. */
export interface MapperName {
  readonly name: string;
  readonly directory: string;
}

const plainPort = 1883;
const mqttsPort = 8883;
const defaultRoots = '/etc/ssl/certs';
const defaultKeepAliveSeconds = 60;

/** The connection of a user-defined mapper, `<config>/mappers/<name>/mapper.toml`; see `cloudConnection`. */
export async function mapperConnection(settings: Settings, mapper: MapperName): Promise<CloudConnection> {
  const path = join(mapper.directory, 'mapper.toml');
  const file = await readMapperFile(mapper, path);
  const fields = parseMapper(file);
  const at = (given: string) => resolve(mapper.directory, given);
  const credentialsPath = at(fields.credentials_path ?? 'credentials.toml');
  const mqtt = endpointOf(fields);
  const authMethod = await authMethodOf(fields, mqtt.isTls, credentialsPath);
  if (authMethod === 'certificate' && !mqtt.isTls) throw plainWithCertificate(file, fields);
  const { cert_path, key_path, root_cert_path } = fields.device;
  const certPath = at(cert_path ?? settings.require('device.cert_path'));
  const identity = { certPath, keyPath: at(key_path ?? settings.require('device.key_path')) };
  return {
    ...mapper,
    ...{ kind: 'custom', profile: undefined, mqtt, http: undefined },
    deviceId: await deviceIdOf(fields, file, { certPath, settings }),
    authMethod,
    identity: authMethod === 'certificate' ? identity : undefined,
    rootCertPath: at(root_cert_path ?? defaultRoots),
    topicPrefix: fields.bridge.topic_prefix ?? mapper.name,
    keepAliveSeconds: fields.bridge.keepalive_interval ?? defaultKeepAliveSeconds,
    maxPayloadBytes: fields.bridge.max_payload_size,
    isCleanSession: fields.bridge.clean_session,
    httpProxy: httpProxyOf(settings),
    settingNames: settingNamesIn(path),
    commandToSet: (name, value) => `write ${mapperKeys[name]} = ${JSON.stringify(value)} into ${path}`,
    credentials: () => credentialsOf(authMethod, credentialsPath),
  };
}

async function readMapperFile({ name, directory }: MapperName, path: string): Promise<TomlFile> {
  const text = await readTextIfPresent(path);
  if (text !== undefined) return parseTomlFile(text, path);
  if (await exists(join(directory, 'bridge')))
    throw new Problem(
      'config-invalid',
      `${directory} has bridge rules but no mapper.toml, so nobody knows which broker they are for. Write ${path} with: url = "HOST"`,
    );
  throw new Problem(
    'not-found',
    `There is no cloud and no user-defined mapper "${name}". Use c8y, az or aws, or define the mapper: write ${path} with: url = "HOST"`,
  );
}

function endpointOf({ url, bridge }: MapperSettings): CloudConnection['mqtt'] {
  const place = hostAndPortIn(url, mqttsPort);
  const { enable } = bridge.tls;
  return { ...place, isTls: enable === 'auto' ? place.port !== plainPort : enable };
}

/** `auto` looks for credentials first, as thin-edge.io does. Without TLS there is no certificate to show. */
async function authMethodOf(
  { auth_method: method }: MapperSettings,
  isTls: boolean,
  credentialsPath: string,
): Promise<CloudConnection['authMethod']> {
  if (method === 'certificate') return 'certificate';
  if (method !== 'auto' || (await exists(credentialsPath))) return 'basic';
  return isTls ? 'certificate' : 'none';
}

function plainWithCertificate(file: TomlFile, { bridge }: MapperSettings): Problem {
  const isExplicit = bridge.tls.enable === false;
  const place = file.placeOf(isExplicit ? ['bridge', 'tls', 'enable'] : ['url']);
  return fileFault(
    place,
    'auth_method is certificate, and without TLS no certificate can be shown. Use a port with TLS, or auth_method = "password".',
  );
}

async function deviceIdOf(
  { device }: MapperSettings,
  file: TomlFile,
  { certPath, settings }: { readonly certPath: string; readonly settings: Settings },
): Promise<string> {
  if (device.id !== undefined) return device.id;
  const { data: id } = deviceId.safeParse(await leafNameIn(certPath));
  const known = id ?? settings.get('device.id');
  if (known !== undefined) return known;
  throw fileFault(
    file.placeOf(['device']),
    `no device id is known: device.id is not set, and ${certPath} holds no certificate with one. Write: [device] id = "ID"`,
  );
}

function credentialsOf(authMethod: CloudConnection['authMethod'], path: string) {
  if (authMethod === 'basic') return readCredentials({ path, table: 'credentials' });
  throw new Problem('config-invalid', 'This cloud is reached without user name and password.');
}

const mapperKeys = {
  url: 'url',
  mqttHost: 'url',
  httpHost: 'url',
  rootCertPath: 'device.root_cert_path',
  certPath: 'device.cert_path',
  keyPath: 'device.key_path',
  deviceId: 'device.id',
  credentialsPath: 'credentials_path',
  authMethod: 'auth_method',
} as const satisfies Record<keyof CloudSettingNames, string>;

function settingNamesIn(path: string): CloudSettingNames {
  const named = (name: keyof CloudSettingNames) => `${mapperKeys[name]} (${path})`;
  return {
    url: named('url'),
    mqttHost: named('mqttHost'),
    httpHost: named('httpHost'),
    rootCertPath: named('rootCertPath'),
    certPath: named('certPath'),
    keyPath: named('keyPath'),
    deviceId: named('deviceId'),
    credentialsPath: named('credentialsPath'),
    authMethod: named('authMethod'),
  };
}
