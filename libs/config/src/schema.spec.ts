import { describe, expect, it } from 'vitest';
import { environmentNameOf, findKey } from './key-names.js';
import { configKeys, configSchema, describeKey, isConfigKey } from './schema.js';
import { isDerived } from './setting.js';

// specs of thin-edge.io 2.x: key, type, default as printed, old names.
const thinEdgeKeys: [string, string, unknown, string[]][] = [
  ['device.id', 'DeviceId', undefined, []],
  ['device.type', 'String', 'thin-edge.io', []],
  ['certificate.validity.requested_duration', 'SecondsOrHumanTime', '365d', []],
  ['certificate.validity.minimum_duration', 'SecondsOrHumanTime', '30d', []],
  ['certificate.organization', 'String', 'Thin Edge', []],
  ['certificate.organization_unit', 'String', 'Device', []],
  ['c8y.url', 'ConnectUrl', undefined, []],
  ['c8y.device.id', 'DeviceId', undefined, []],
  ['c8y.proxy.bind.address', 'IpAddr', '127.0.0.1', []],
  ['c8y.proxy.bind.port', 'u16', 8001, []],
  ['c8y.proxy.client.host', 'Host', '127.0.0.1', []],
  ['c8y.proxy.cert_path', 'AbsolutePath', undefined, []],
  ['c8y.proxy.key_path', 'AbsolutePath', undefined, []],
  ['c8y.proxy.ca_path', 'AbsolutePath', undefined, []],
  ['mqtt.topic_root', 'TopicPrefix', 'te', []],
  ['mqtt.device_topic_id', 'EntityTopicId', 'device/main//', []],
  ['mqtt.bind.enabled', 'bool', true, []],
  ['mqtt.bind.address', 'IpAddr', '127.0.0.1', ['mqtt.bind_address']],
  ['mqtt.bind.port', 'NonZeroU16', 1883, ['mqtt.port']],
  ['mqtt.client.host', 'Host', '127.0.0.1', ['mqtt.client_host']],
  [
    'mqtt.client.auth.ca_file',
    'AbsolutePath',
    undefined,
    ['mqtt.client.auth.cafile', 'mqtt.client.cafile', 'mqtt.client_ca_file'],
  ],
  [
    'mqtt.client.auth.ca_dir',
    'AbsolutePath',
    undefined,
    ['mqtt.client.auth.cadir', 'mqtt.client.cadir', 'mqtt.client_ca_path'],
  ],
  [
    'mqtt.client.auth.cert_file',
    'AbsolutePath',
    undefined,
    ['mqtt.client.auth.certfile', 'mqtt.client_auth.cert_file'],
  ],
  ['mqtt.client.auth.key_file', 'AbsolutePath', undefined, ['mqtt.client.auth.keyfile', 'mqtt.client_auth.key_file']],
  ['mqtt.client.auth.username', 'String', undefined, []],
  ['mqtt.client.auth.password_file', 'AbsolutePath', undefined, []],
  ['mqtt.external.bind.port', 'NonZeroU16', undefined, ['mqtt.external.port', 'mqtt.external_port']],
  ['mqtt.external.bind.address', 'IpAddr', undefined, ['mqtt.external_bind_address']],
  ['mqtt.external.bind.interface', 'String', undefined, ['mqtt.external_bind_interface']],
  ['mqtt.external.ca_path', 'AbsolutePath', undefined, ['mqtt.external.capath', 'mqtt.external_capath']],
  ['mqtt.external.cert_file', 'AbsolutePath', undefined, ['mqtt.external.certfile', 'mqtt.external_certfile']],
  ['mqtt.external.key_file', 'AbsolutePath', undefined, ['mqtt.external.keyfile', 'mqtt.external_keyfile']],
  ['http.bind.port', 'u16', 8000, ['http.port']],
  ['http.client.host', 'Host', '127.0.0.1', []],
  ['http.client.port', 'u16', 8000, []],
  ['http.client.auth.cert_file', 'AbsolutePath', undefined, []],
  ['http.client.auth.key_file', 'AbsolutePath', undefined, []],
  ['http.cert_path', 'AbsolutePath', undefined, []],
  ['http.key_path', 'AbsolutePath', undefined, []],
  ['http.ca_path', 'AbsolutePath', undefined, []],
  ['tmp.path', 'AbsolutePath', '/tmp', []],
  ['logs.path', 'AbsolutePath', '/var/log/tedge', []],
];

describe('settings of thin-edge.io', () => {
  it.each(thinEdgeKeys)('%s keeps its type, default and old names', (key, type, standard, deprecatedNames) => {
    const description = isConfigKey(key) ? describeKey(key) : undefined;
    expect(description).toMatchObject({ deprecatedNames, isOwn: false });
    expect(description?.type.name).toBe(type);
    expect(description?.default).toBe(standard);
  });
});

describe('every setting', () => {
  it.each(configKeys)('%s is documented, with examples its own type accepts', (key) => {
    const { doc, type, examples } = describeKey(key);
    expect(doc).toMatch(/^[A-Z].*\.$/s);
    const refused = examples.filter((example) => !type.schema.safeParse(type.fromText(example, '/')).success);
    expect(refused).toEqual([]);
  });

  it.each(configKeys)('%s has a default its own type accepts, or none', (key) => {
    const { default: standard, type } = describeKey(key);
    if (standard === undefined || isDerived(standard)) return;
    expect(type.schema.safeParse(standard).success).toBe(true);
  });

  it.each(configKeys)('%s has a value exactly when it has a default', (key) => {
    const { default: standard, isRead } = describeKey(key);
    // These follow c8y.url, which may be unset.
    const followsUnset = ['c8y.http', 'c8y.mqtt'].includes(key);
    const mayBeUnset = standard === undefined || followsUnset || (!isRead && isDerived(standard));
    expect(configSchema.shape[key].safeParse(undefined).success).toBe(mayBeUnset);
  });

  it('has an environment variable of its own', () => {
    const variables = configKeys.map((key) => environmentNameOf({ key }));
    expect(new Set(variables).size).toBe(configKeys.length);
  });

  it('is found by each of its old names', () => {
    const wrong = configKeys.filter((key) =>
      describeKey(key).deprecatedNames.some((name) => findKey(name)?.key !== key),
    );
    expect(wrong).toEqual([]);
  });
});
