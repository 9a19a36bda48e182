import { connectUrl, hostAndPort } from '../network-values.js';
import { setting } from '../setting.js';
import { absolutePath, deviceId, payloadLimit, topicPrefix } from '../text-values.js';
import { oneOf } from '../value-type.js';
import { line, path, preset, sameAs, set, time, toggle, unset } from './thin-edge-kinds.js';

const roots = 'File or directory of the CA certificates the cloud must prove itself with.';
const keyUri = 'PKCS#11 URI of the private key for this cloud.';
const keyPin = 'PIN of the token that holds the private key for this cloud.';
const topics = 'MQTT topics the mapper subscribes to.';
const payload = 'Largest payload the mapper sends to the cloud, in bytes.';
const prefix = 'First level of the local MQTT topics that are bridged to the cloud.';
const keepAlive = 'Time without traffic after which the bridge sends a ping.';
const identity = 'Identity of this device in this cloud.';

const certificateStore = '/etc/ssl/certs';
const telemetry = ['te/+/+/+/+/m/+', 'te/+/+/+/+/e/+', 'te/+/+/+/+/a/+', 'te/+/+/+/+/status/health'];
const c8yTopics = ['te/+/+/+/+', 'te/+/+/+/+/twin/+', 'te/+/+/+/+/m/+', 'te/+/+/+/+/m/+/meta', ...telemetry.slice(1)];
const timeFormat = oneOf('TimeFormat', ['unix', 'rfc-3339']);

const c8yConnection = {
  'c8y.http': preset(hostAndPort, 'Host of the REST API of the tenant.', sameAs('c8y.url'), 'http.tenant.example:443'),
  'c8y.mqtt': preset(hostAndPort, 'Host of the MQTT broker of the tenant.', sameAs('c8y.url'), 'mqtt.tenant.example'),
  'c8y.root_cert_path': preset(absolutePath, roots, certificateStore, certificateStore),
  'c8y.auth_method': preset(
    oneOf('AuthMethod', ['certificate', 'basic', 'password', 'auto']),
    'How the device proves itself to the tenant.',
    'certificate',
    'certificate',
  ),
  'c8y.credentials_path': path('File with user name and password for the tenant.', '/etc/tedge/credentials.toml'),
  'c8y.device.key_uri': line(keyUri, 'pkcs11:token=my-token;object=my-key'),
  'c8y.device.key_pin': line(keyPin, '123456'),
  'c8y.bridge.include.local_cleansession': preset(
    oneOf('AutoFlag', ['true', 'false', 'auto']),
    'Whether the bridge of Mosquitto cleans its local session.',
    'auto',
    'auto',
  ),
  'c8y.bridge.topic_prefix': setting(topicPrefix, { doc: prefix, default: 'c8y', examples: ['c8y'] }),
  'c8y.bridge.keepalive_interval': time(keepAlive, '60s'),
  'c8y.mqtt_service.enabled': toggle('Whether the bridge connects to the MQTT service endpoint of the tenant.', false),
  'c8y.mqtt_service.topics': set('MQTT topics of that endpoint the bridge subscribes to.', [], 'incoming/topic'),
} as const;

const c8yMapper = {
  'c8y.smartrest.templates': set('SmartREST templates the device subscribes to.', [], 'template1,template2'),
  'c8y.smartrest.use_operation_id': toggle('Whether operations are told apart by their id.', true),
  'c8y.smartrest.child_device.create_with_device_marker': toggle('Whether child devices are marked as devices.', false),
  'c8y.smartrest1.templates': set('SmartREST 1.0 templates the device subscribes to.', [], 'template1,template2'),
  'c8y.topics': set(topics, c8yTopics, 'te/+/+/+/+/m/+,te/+/+/+/+/e/+'),
  'c8y.enable.log_upload': toggle('Whether the tenant may ask for log files.', true, ['c8y.enable.log_management']),
  'c8y.enable.config_snapshot': toggle('Whether the tenant may ask for configuration files.', true),
  'c8y.enable.config_update': toggle('Whether the tenant may send configuration files.', true),
  'c8y.enable.firmware_update': toggle('Whether the tenant may send firmware.', true),
  'c8y.enable.device_profile': toggle('Whether the tenant may send a device profile.', true),
  'c8y.enable.device_restart': toggle('Whether the tenant may restart the device.', true),
  'c8y.enable.software_update': toggle('Whether the tenant may send software.', true),
  'c8y.mapper.mqtt.max_payload_size': preset(payloadLimit, payload, 16_184, '16184'),
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
  'az.url': unset(connectUrl, 'Host of the Azure IoT hub.', 'myazure.azure-devices.net'),
  'az.root_cert_path': preset(absolutePath, roots, certificateStore, certificateStore),
  'az.device.id': unset(deviceId, identity, 'rpi4-dca632efb150'),
  'az.device.key_path': preset(absolutePath, 'Private key for Azure.', sameAs('device.key_path'), '/etc/tedge/az.key'),
  'az.device.cert_path': preset(
    absolutePath,
    'Certificate for Azure.',
    sameAs('device.cert_path'),
    '/etc/tedge/az.crt',
  ),
  'az.device.csr_path': preset(absolutePath, 'Request for Azure.', sameAs('device.csr_path'), '/etc/tedge/az.csr'),
  'az.device.key_uri': line(keyUri, 'pkcs11:token=my-token;object=my-key'),
  'az.device.key_pin': line(keyPin, '123456'),
  'az.mapper.timestamp': toggle('Whether the mapper adds a time to messages without one.', true),
  'az.mapper.timestamp_format': preset(timeFormat, 'How the mapper writes a time.', 'unix', 'rfc-3339'),
  'az.mapper.mqtt.max_payload_size': preset(payloadLimit, payload, 262_144, '262144'),
  'az.bridge.topic_prefix': setting(topicPrefix, { doc: prefix, default: 'az', examples: ['az'] }),
  'az.bridge.keepalive_interval': time(keepAlive, '60s'),
  'az.topics': set(topics, telemetry, 'te/+/+/+/+/m/+,te/+/+/+/+/e/+'),
} as const;

const aws = {
  'aws.url': unset(connectUrl, 'Host of the AWS IoT endpoint.', 'your-endpoint.amazonaws.com'),
  'aws.root_cert_path': preset(absolutePath, roots, certificateStore, certificateStore),
  'aws.device.id': unset(deviceId, identity, 'rpi4-dca632efb150'),
  'aws.device.key_path': preset(absolutePath, 'Private key for AWS.', sameAs('device.key_path'), '/etc/tedge/aws.key'),
  'aws.device.cert_path': preset(
    absolutePath,
    'Certificate for AWS.',
    sameAs('device.cert_path'),
    '/etc/tedge/aws.crt',
  ),
  'aws.device.csr_path': preset(absolutePath, 'Request for AWS.', sameAs('device.csr_path'), '/etc/tedge/aws.csr'),
  'aws.device.key_uri': line(keyUri, 'pkcs11:token=my-token;object=my-key'),
  'aws.device.key_pin': line(keyPin, '123456'),
  'aws.mapper.timestamp': toggle('Whether the mapper adds a time to messages without one.', true),
  'aws.mapper.timestamp_format': preset(timeFormat, 'How the mapper writes a time.', 'unix', 'rfc-3339'),
  'aws.mapper.mqtt.max_payload_size': preset(payloadLimit, payload, 131_072, '131072'),
  'aws.bridge.topic_prefix': setting(topicPrefix, { doc: prefix, default: 'aws', examples: ['aws'] }),
  'aws.bridge.keepalive_interval': time(keepAlive, '60s'),
  'aws.topics': set(topics, telemetry, 'te/+/+/+/+/m/+,te/+/+/+/+/e/+'),
} as const;

/** Settings of thin-edge.io's cloud mappers and bridges, every one of which may be given per profile. */
export const cloudKeys = { ...c8yConnection, ...c8yMapper, ...az, ...aws } as const;
