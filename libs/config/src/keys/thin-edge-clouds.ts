import { join } from 'node:path';
import { positiveDuration } from '../durations.js';
import { connectUrl, hostAndPort } from '../network-values.js';
import { type DerivedDefault, optionalSetting, setting } from '../setting.js';
import { absolutePath, deviceId, flag, payloadLimit, text, textSet, topicPrefix } from '../text-values.js';
import { oneOf } from '../value-type.js';
import { line, preset, sameAs, set, time, toggle } from './thin-edge-kinds.js';

const roots =
  'File or directory (with its sub-directories) of the CA certificates the cloud must prove itself with. No other CA is trusted for it.';
const keyUri =
  'PKCS#11 URI of the private key for this cloud. Only thin-edge.io can use such a key: a connection with this setting is refused.';
const keyPin = 'PIN of the token that holds the private key for this cloud.';
const topics = 'MQTT topics the mapper subscribes to.';
const payload = 'Largest payload the mapper sends to the cloud, in bytes.';
const prefix = 'First level of the local MQTT topics that are bridged to the cloud.';
const keepAlive = 'Time without traffic after which the bridge sends a ping.';
const identity = 'Identity of this device in this cloud.';

const certificateStore = '/etc/ssl/certs';
const telemetry = ['te/+/+/+/+/m/+', 'te/+/+/+/+/e/+', 'te/+/+/+/+/a/+', 'te/+/+/+/+/status/health'];
const c8yTopics = ['te/+/+/+/+', 'te/+/+/+/+/twin/+', 'te/+/+/+/+/m/+', 'te/+/+/+/+/m/+/meta', ...telemetry.slice(1)];
const credentialsFile: DerivedDefault = {
  text: '`<config directory>/credentials.toml`',
  from: (context) => join(context.configDirectory, 'credentials.toml'),
};
const rootsSetting = setting(absolutePath, { doc: roots, default: certificateStore, examples: [certificateStore] });
const keepAliveSetting = setting(positiveDuration, { doc: keepAlive, default: '60s', examples: ['60s'] });
const keyUriSetting = optionalSetting(text, { doc: keyUri, examples: ['pkcs11:token=my-token;object=my-key'] });
const timeFormat = oneOf('TimeFormat', ['unix', 'rfc-3339']);

const c8yConnection = {
  'c8y.http': optionalSetting(hostAndPort, {
    doc: 'Host of the REST API of the tenant; port 443 unless it says another.',
    default: sameAs('c8y.url'),
    examples: ['http.tenant.example:443'],
  }),
  'c8y.mqtt': optionalSetting(hostAndPort, {
    doc: 'Host of the MQTT broker of the tenant; port 8883 unless it says another, or 9883 with `c8y.mqtt_service.enabled`.',
    default: sameAs('c8y.url'),
    examples: ['mqtt.tenant.example'],
  }),
  'c8y.root_cert_path': rootsSetting,
  'c8y.auth_method': setting(oneOf('AuthMethod', ['certificate', 'basic', 'password', 'auto']), {
    doc: 'How the device proves itself to the tenant: with its certificate, or with user name and password (`basic`, also called `password`). `auto` is `basic` if the file at `c8y.credentials_path` exists.',
    default: 'certificate',
    examples: ['certificate', 'basic', 'auto'],
  }),
  'c8y.credentials_path': setting(absolutePath, {
    doc: 'File (TOML) with `username` and `password` for the tenant in its table `[c8y]`.',
    default: credentialsFile,
    examples: ['/etc/tedge/credentials.toml'],
  }),
  'c8y.device.key_uri': keyUriSetting,
  'c8y.device.key_pin': line(keyPin, '123456'),
  'c8y.bridge.include.local_cleansession': preset(
    oneOf('AutoFlag', ['true', 'false', 'auto']),
    'Whether the bridge of Mosquitto cleans its local session.',
    'auto',
    'auto',
  ),
  'c8y.bridge.topic_prefix': setting(topicPrefix, { doc: prefix, default: 'c8y', examples: ['c8y'] }),
  'c8y.bridge.keepalive_interval': keepAliveSetting,
  'c8y.mqtt_service.enabled': setting(flag, {
    doc: 'Whether the bridge connects to the MQTT service endpoint of the tenant.',
    default: false,
    examples: ['true', 'false'],
  }),
  'c8y.mqtt_service.topics': setting(textSet, {
    doc: 'MQTT topics of that endpoint the bridge subscribes to.',
    default: [],
    examples: ['incoming/topic'],
  }),
} as const;

const c8yMapper = {
  'c8y.smartrest.templates': setting(textSet, {
    doc: 'SmartREST templates the device subscribes to.',
    default: [],
    examples: ['template1,template2'],
  }),
  'c8y.smartrest.use_operation_id': toggle('Whether operations are told apart by their id.', true),
  'c8y.smartrest.child_device.create_with_device_marker': toggle('Whether child devices are marked as devices.', false),
  'c8y.smartrest1.templates': setting(textSet, {
    doc: 'SmartREST 1.0 templates the device subscribes to.',
    default: [],
    examples: ['template1,template2'],
  }),
  'c8y.topics': set(topics, c8yTopics, 'te/+/+/+/+/m/+,te/+/+/+/+/e/+'),
  'c8y.enable.log_upload': toggle('Whether the tenant may ask for log files.', true, ['c8y.enable.log_management']),
  'c8y.enable.config_snapshot': toggle('Whether the tenant may ask for configuration files.', true),
  'c8y.enable.config_update': toggle('Whether the tenant may send configuration files.', true),
  'c8y.enable.firmware_update': toggle('Whether the tenant may send firmware.', true),
  'c8y.enable.device_profile': toggle('Whether the tenant may send a device profile.', true),
  'c8y.enable.device_restart': toggle('Whether the tenant may restart the device.', true),
  'c8y.enable.software_update': toggle('Whether the tenant may send software.', true),
  'c8y.mapper.mqtt.max_payload_size': setting(payloadLimit, { doc: payload, default: 16_184, examples: ['16184'] }),
  'c8y.entity_store.auto_register': toggle('Whether unknown devices are registered by their first message.', true),
  'c8y.entity_store.clean_start': toggle('Whether everything is sent to the cloud again at a start.', true),
  'c8y.software_management.api': preset(
    oneOf('SoftwareManagementApi', ['legacy', 'advanced']),
    'Which software management API of the tenant is used.',
    'legacy',
    'advanced',
  ),
  'c8y.software_management.with_types': toggle('Whether software types are reported.', false),
  'c8y.operations.auto_log_upload': preset(
    oneOf('AutoLogUpload', ['always', 'never', 'on-failure']),
    'When the log of an operation is uploaded.',
    'on-failure',
    'always',
  ),
  'c8y.availability.enable': toggle('Whether heartbeats are sent to the tenant.', true),
  'c8y.availability.interval': time('How often a heartbeat is due.', '60m'),
} as const;

const az = {
  'az.url': optionalSetting(connectUrl, { doc: 'Host of the Azure IoT hub.', examples: ['myazure.azure-devices.net'] }),
  'az.root_cert_path': rootsSetting,
  'az.device.id': optionalSetting(deviceId, { doc: identity, examples: ['rpi4-dca632efb150'] }),
  'az.device.key_path': setting(absolutePath, {
    doc: 'Private key for Azure.',
    default: sameAs('device.key_path'),
    examples: ['/etc/tedge/az.key'],
  }),
  'az.device.cert_path': setting(absolutePath, {
    doc: 'Certificate for Azure.',
    default: sameAs('device.cert_path'),
    examples: ['/etc/tedge/az.crt'],
  }),
  'az.device.csr_path': preset(absolutePath, 'Request for Azure.', sameAs('device.csr_path'), '/etc/tedge/az.csr'),
  'az.device.key_uri': keyUriSetting,
  'az.device.key_pin': line(keyPin, '123456'),
  'az.mapper.timestamp': toggle('Whether the mapper adds a time to messages without one.', true),
  'az.mapper.timestamp_format': preset(timeFormat, 'How the mapper writes a time.', 'unix', 'rfc-3339'),
  'az.mapper.mqtt.max_payload_size': setting(payloadLimit, { doc: payload, default: 262_144, examples: ['262144'] }),
  'az.bridge.topic_prefix': setting(topicPrefix, { doc: prefix, default: 'az', examples: ['az'] }),
  'az.bridge.keepalive_interval': keepAliveSetting,
  'az.topics': set(topics, telemetry, 'te/+/+/+/+/m/+,te/+/+/+/+/e/+'),
} as const;

const aws = {
  'aws.url': optionalSetting(connectUrl, {
    doc: 'Host of the AWS IoT endpoint.',
    examples: ['your-endpoint.amazonaws.com'],
  }),
  'aws.root_cert_path': rootsSetting,
  'aws.device.id': optionalSetting(deviceId, { doc: identity, examples: ['rpi4-dca632efb150'] }),
  'aws.device.key_path': setting(absolutePath, {
    doc: 'Private key for AWS.',
    default: sameAs('device.key_path'),
    examples: ['/etc/tedge/aws.key'],
  }),
  'aws.device.cert_path': setting(absolutePath, {
    doc: 'Certificate for AWS.',
    default: sameAs('device.cert_path'),
    examples: ['/etc/tedge/aws.crt'],
  }),
  'aws.device.csr_path': preset(absolutePath, 'Request for AWS.', sameAs('device.csr_path'), '/etc/tedge/aws.csr'),
  'aws.device.key_uri': keyUriSetting,
  'aws.device.key_pin': line(keyPin, '123456'),
  'aws.mapper.timestamp': toggle('Whether the mapper adds a time to messages without one.', true),
  'aws.mapper.timestamp_format': preset(timeFormat, 'How the mapper writes a time.', 'unix', 'rfc-3339'),
  'aws.mapper.mqtt.max_payload_size': setting(payloadLimit, { doc: payload, default: 131_072, examples: ['131072'] }),
  'aws.bridge.topic_prefix': setting(topicPrefix, { doc: prefix, default: 'aws', examples: ['aws'] }),
  'aws.bridge.keepalive_interval': keepAliveSetting,
  'aws.topics': set(topics, telemetry, 'te/+/+/+/+/m/+,te/+/+/+/+/e/+'),
} as const;

/** Settings of the cloud mappers and bridges of thin-edge.io, every one of which may be given per profile. */
export const cloudKeys = { ...c8yConnection, ...c8yMapper, ...az, ...aws } as const;
