import { type BuiltInCloud, type ConfigKey, nameOf, quoted, type Settings } from '@sallyport/config';
import { exists } from '@sallyport/files';
import { deviceId, Problem } from '@sallyport/protocol';
import { leafNameIn } from './certificate-name.js';
import type { CloudConnection, CloudSettingNames } from './cloud-connection.js';
import { readCredentials } from './credentials.js';
import { hostAndPortIn } from './host-and-port.js';
import { httpProxyOf } from './http-proxy.js';

/** A cloud of the settings files. */
export interface BuiltInName {
  readonly name: string;
  readonly kind: BuiltInCloud;
  readonly profile: string | undefined;
  readonly directory: string;
}

/** What a cloud has settings for, in the clouds' own terms. */
interface CloudKeys {
  readonly url: ConfigKey;
  readonly deviceId: 'c8y.device.id' | 'az.device.id' | 'aws.device.id';
  readonly certPath: 'c8y.device.cert_path' | 'az.device.cert_path' | 'aws.device.cert_path';
  readonly keyPath: 'c8y.device.key_path' | 'az.device.key_path' | 'aws.device.key_path';
  readonly keyUri: 'c8y.device.key_uri' | 'az.device.key_uri' | 'aws.device.key_uri';
  readonly rootCertPath: 'c8y.root_cert_path' | 'az.root_cert_path' | 'aws.root_cert_path';
  readonly topicPrefix: 'c8y.bridge.topic_prefix' | 'az.bridge.topic_prefix' | 'aws.bridge.topic_prefix';
  readonly keepAlive:
    | 'c8y.bridge.keepalive_interval'
    | 'az.bridge.keepalive_interval'
    | 'aws.bridge.keepalive_interval';
  readonly payload:
    | 'c8y.mapper.mqtt.max_payload_size'
    | 'az.mapper.mqtt.max_payload_size'
    | 'aws.mapper.mqtt.max_payload_size';
}

const keysByCloud: Readonly<Record<BuiltInCloud, CloudKeys>> = {
  c8y: {
    url: 'c8y.url',
    deviceId: 'c8y.device.id',
    certPath: 'c8y.device.cert_path',
    keyPath: 'c8y.device.key_path',
    keyUri: 'c8y.device.key_uri',
    rootCertPath: 'c8y.root_cert_path',
    topicPrefix: 'c8y.bridge.topic_prefix',
    keepAlive: 'c8y.bridge.keepalive_interval',
    payload: 'c8y.mapper.mqtt.max_payload_size',
  },
  az: {
    url: 'az.url',
    deviceId: 'az.device.id',
    certPath: 'az.device.cert_path',
    keyPath: 'az.device.key_path',
    keyUri: 'az.device.key_uri',
    rootCertPath: 'az.root_cert_path',
    topicPrefix: 'az.bridge.topic_prefix',
    keepAlive: 'az.bridge.keepalive_interval',
    payload: 'az.mapper.mqtt.max_payload_size',
  },
  aws: {
    url: 'aws.url',
    deviceId: 'aws.device.id',
    certPath: 'aws.device.cert_path',
    keyPath: 'aws.device.key_path',
    keyUri: 'aws.device.key_uri',
    rootCertPath: 'aws.root_cert_path',
    topicPrefix: 'aws.bridge.topic_prefix',
    keepAlive: 'aws.bridge.keepalive_interval',
    payload: 'aws.mapper.mqtt.max_payload_size',
  },
};

const httpsPort = 443;
const mqttsPort = 8883;
/** Where the MQTT service of Cumulocity listens. */
const mqttServicePort = 9883;

/** The connection to a cloud of the settings files; see `cloudConnection`. */
export async function builtInConnection(given: Settings, cloud: BuiltInName): Promise<CloudConnection> {
  requireProfile(given, cloud);
  const settings = given.ofProfile(cloud.profile);
  const keys = keysByCloud[cloud.kind];
  requireNoHardwareKey(settings, keys, cloud);
  const authMethod = await authMethodOf(settings, cloud.kind);
  const files = { certPath: settings.require(keys.certPath), keyPath: settings.require(keys.keyPath) };
  return {
    ...cloud,
    ...endpointsOf(settings, cloud),
    deviceId: await deviceIdOf(settings, keys, cloud),
    authMethod,
    identity: authMethod === 'certificate' ? files : undefined,
    rootCertPath: settings.require(keys.rootCertPath),
    topicPrefix: settings.require(keys.topicPrefix),
    keepAliveSeconds: settings.require(keys.keepAlive),
    maxPayloadBytes: settings.require(keys.payload),
    isCleanSession: cloud.kind === 'c8y',
    httpProxy: httpProxyOf(settings),
    settingNames: settingNamesOf(settings, cloud),
    commandToSet: (name, value) => commandToSet(keyOf(settings, cloud.kind, name), cloud, value),
    credentials: () => credentialsOf(settings, authMethod),
  };
}

/** @throws Problem `not-found`: nothing is configured for the profile */
function requireProfile(settings: Settings, { kind, profile }: BuiltInName): void {
  if (profile === undefined || settings.profilesOf(kind).includes(profile)) return;
  throw new Problem(
    'not-found',
    `There is no profile "${profile}" of ${kind}. Make it by setting one of its keys: ${commandToSet(keysByCloud[kind].url, { profile }, 'HOST')}`,
  );
}

function requireNoHardwareKey(settings: Settings, keys: CloudKeys, cloud: BuiltInName): void {
  const inUse = [keys.keyUri, 'device.key_uri' as const].find((key) => settings.get(key) !== undefined);
  if (inUse === undefined) return;
  const name = inUse === 'device.key_uri' ? inUse : nameOf(referenceOf(inUse, cloud));
  throw new Problem(
    'config-invalid',
    `${name} names a private key in a hardware module (PKCS#11), and Sallyport cannot use one. Use a key in a file: tedge config unset ${name}`,
  );
}

async function authMethodOf(settings: Settings, kind: BuiltInCloud): Promise<'certificate' | 'basic'> {
  if (kind !== 'c8y') return 'certificate';
  const method = settings.require('c8y.auth_method');
  if (method === 'auto') return (await exists(settings.require('c8y.credentials_path'))) ? 'basic' : 'certificate';
  return method === 'certificate' ? 'certificate' : 'basic';
}

function endpointsOf(settings: Settings, cloud: BuiltInName): Pick<CloudConnection, 'mqtt' | 'http'> {
  if (cloud.kind !== 'c8y') {
    const url = settings.get(keysByCloud[cloud.kind].url);
    if (typeof url !== 'string') throw hostMissing(cloud);
    return { mqtt: { host: url, port: mqttsPort, isTls: true }, http: undefined };
  }
  const [mqtt, http] = [settings.get('c8y.mqtt'), settings.get('c8y.http')];
  if (mqtt === undefined || http === undefined) throw hostMissing(cloud);
  const port = settings.require('c8y.mqtt_service.enabled') ? mqttServicePort : mqttsPort;
  return { mqtt: { ...hostAndPortIn(mqtt, port), isTls: true }, http: hostAndPortIn(http, httpsPort) };
}

function hostMissing({ kind, profile }: BuiltInName): Problem {
  const { url } = keysByCloud[kind];
  const name = nameOf(referenceOf(url, { profile }));
  return new Problem(
    'config-invalid',
    `The value of ${name} is missing. Set it with: ${commandToSet(url, { profile }, 'HOST')}`,
  );
}

/** What somebody typed has priority over the names in certificates, and the cloud over the device. */
async function deviceIdOf(settings: Settings, keys: CloudKeys, cloud: BuiltInName): Promise<string> {
  for (const key of [keys.deviceId, 'device.id' as const]) {
    const id = settings.source(key) === 'default' ? undefined : settings.get(key);
    if (id !== undefined) return id;
  }
  for (const path of new Set([settings.require(keys.certPath), settings.require('device.cert_path')])) {
    const { data: id } = deviceId.safeParse(await leafNameIn(path));
    if (id !== undefined) return id;
  }
  const advice = `Get a certificate (tedge cert download ${cloud.kind}), make one (tedge cert create --device-id ID), or set the id: ${commandToSet(keys.deviceId, cloud, 'ID')}`;
  throw new Problem(
    'config-invalid',
    `No device id is known for ${cloud.name}: none is set, and ${settings.require(keys.certPath)} holds no certificate with one. ${advice}`,
  );
}

function credentialsOf(settings: Settings, authMethod: 'certificate' | 'basic') {
  if (authMethod === 'basic') return readCredentials({ path: settings.require('c8y.credentials_path'), table: 'c8y' });
  throw new Problem('config-invalid', 'This cloud is reached with a certificate, not with user name and password.');
}

function referenceOf(key: ConfigKey, { profile }: Pick<BuiltInName, 'profile'>) {
  return profile === undefined ? { key } : { key, profile };
}

function keyOf(settings: Settings, kind: BuiltInCloud, name: keyof CloudSettingNames): ConfigKey {
  const keys = keysByCloud[kind];
  switch (name) {
    case 'credentialsPath':
      return 'c8y.credentials_path';
    case 'authMethod':
      return 'c8y.auth_method';
    case 'mqttHost':
      return hostKey(settings, keys, 'c8y.mqtt');
    case 'httpHost':
      return hostKey(settings, keys, 'c8y.http');
    default:
      return keys[name];
  }
}

/** Where the host for one protocol is set, another `url` would change nothing. */
function hostKey(settings: Settings, { url }: CloudKeys, key: 'c8y.mqtt' | 'c8y.http'): ConfigKey {
  return url === 'c8y.url' && settings.source(key) !== 'default' ? key : url;
}

function settingNamesOf(settings: Settings, cloud: BuiltInName): CloudSettingNames {
  const named = (name: keyof CloudSettingNames) => nameOf(referenceOf(keyOf(settings, cloud.kind, name), cloud));
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

function commandToSet(key: ConfigKey, { profile }: Pick<BuiltInName, 'profile'>, value: string): string {
  const option = profile === undefined ? '' : ` --profile ${profile}`;
  return `tedge config set ${key} ${quoted(value)}${option}`;
}
