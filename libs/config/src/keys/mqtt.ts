import { entrances } from '@sallyport/protocol';
import { brokerUrl, host, hostList, ipAddress, nonZeroPort, socketPath } from '../network-values.js';
import { optionalSetting, setting } from '../setting.js';
import { absolutePath, entityTopicId, flag, text, topicPrefix } from '../text-values.js';

const listener = {
  'mqtt.bind.enabled': setting(flag, {
    doc: 'Whether MQTT clients may connect at `mqtt.bind.address`. With `false` nothing listens there, nor for WebSockets; the second listener is as `mqtt.external.*` says.',
    default: true,
    examples: ['true', 'false'],
  }),
  'mqtt.bind.address': setting(ipAddress, {
    doc: 'Address the local MQTT broker listens on.',
    default: '127.0.0.1',
    examples: ['127.0.0.1'],
    deprecatedNames: ['mqtt.bind_address'],
  }),
  'mqtt.bind.port': setting(nonZeroPort, {
    doc: 'Port the local MQTT broker listens on.',
    default: entrances.mqtt.defaultPort,
    examples: ['1883'],
    deprecatedNames: ['mqtt.port'],
  }),
  'mqtt.websocket.bind.address': setting(ipAddress, {
    doc: 'Address on which the local MQTT broker takes WebSockets.',
    default: { text: 'the value of `mqtt.bind.address`', from: (context) => context.value('mqtt.bind.address') },
    examples: ['127.0.0.1'],
    isOwn: true,
  }),
  'mqtt.websocket.bind.port': optionalSetting(nonZeroPort, {
    doc: 'Port on which the local MQTT broker takes WebSockets, with the certificates and the level of `mqtt.bind.port`. Unset: it takes none.',
    examples: ['9001'],
    deprecatedNames: ['mqtt.bind.websocket.port'],
    isOwn: true,
  }),
  'mqtt.websocket.allowed_hosts': setting(hostList, {
    doc: 'Hosts whose web pages may open a WebSocket to the local MQTT broker, besides the host they connect to. Without TLS that host counts only by its address or as `localhost`, or by the name of this machine; name any other here. Programs other than browsers need no permission.',
    default: [],
    examples: ['dashboard.example'],
    isOwn: true,
  }),
  'mqtt.bind.cert_file': optionalSetting(absolutePath, {
    doc: 'Certificate of the embedded MQTT broker (PEM). With `mqtt.bind.key_file` it turns TLS on.',
    isOwn: true,
  }),
  'mqtt.bind.key_file': optionalSetting(absolutePath, {
    doc: 'Private key of `mqtt.bind.cert_file` (PEM).',
    isOwn: true,
  }),
  'mqtt.bind.ca_path': optionalSetting(absolutePath, {
    doc: 'File or directory of CA certificates (PEM) that clients of the embedded MQTT broker must prove themselves with.',
    isOwn: true,
  }),
} as const;

const external = {
  'mqtt.external.bind.port': optionalSetting(nonZeroPort, {
    doc: 'Port of a second listener for other devices. Unset: there is no second listener.',
    examples: ['8883'],
    deprecatedNames: ['mqtt.external.port', 'mqtt.external_port'],
  }),
  'mqtt.external.bind.address': optionalSetting(ipAddress, {
    doc: 'Address of the second listener. Unset: every IPv4 address of the device. It opens the file transfer service on that address too, unless `http.bind.address` is set.',
    examples: ['0.0.0.0'],
    deprecatedNames: ['mqtt.external_bind_address'],
  }),
  'mqtt.external.bind.interface': optionalSetting(text, {
    doc: 'Network interface the second listener is limited to: it listens on the addresses the interface has at the start, and at each reload.',
    examples: ['wlan0'],
    deprecatedNames: ['mqtt.external_bind_interface'],
  }),
  'mqtt.external.ca_path': optionalSetting(absolutePath, {
    doc: 'File or directory of CA certificates (PEM) that clients of the second listener must prove themselves with.',
    examples: ['/etc/ssl/certs'],
    deprecatedNames: ['mqtt.external.capath', 'mqtt.external_capath'],
  }),
  'mqtt.external.cert_file': optionalSetting(absolutePath, {
    doc: 'Certificate of the second listener (PEM). With `mqtt.external.key_file` it turns TLS on.',
    examples: ['/etc/tedge/device-certs/tedge-certificate.pem'],
    deprecatedNames: ['mqtt.external.certfile', 'mqtt.external_certfile'],
  }),
  'mqtt.external.key_file': optionalSetting(absolutePath, {
    doc: 'Private key of `mqtt.external.cert_file` (PEM).',
    examples: ['/etc/tedge/device-certs/tedge-private-key.pem'],
    deprecatedNames: ['mqtt.external.keyfile', 'mqtt.external_keyfile'],
  }),
} as const;

const client = {
  'mqtt.client.host': setting(host, {
    doc: 'Host of the MQTT broker the services connect to.',
    default: '127.0.0.1',
    examples: ['127.0.0.1'],
    deprecatedNames: ['mqtt.client_host'],
  }),
  'mqtt.client.port': setting(nonZeroPort, {
    doc: 'Port of the MQTT broker the services connect to.',
    default: { text: 'the value of `mqtt.bind.port`', from: (context) => context.value('mqtt.bind.port') },
    examples: ['1883', '8883'],
    deprecatedNames: ['mqtt.client_port'],
  }),
  'mqtt.client.auth.ca_file': optionalSetting(absolutePath, {
    doc: 'CA certificates (PEM) the broker must prove itself with. This or `mqtt.client.auth.ca_dir` turns TLS on.',
    examples: ['/etc/mosquitto/ca_certificates/ca.crt'],
    deprecatedNames: ['mqtt.client.auth.cafile', 'mqtt.client.cafile', 'mqtt.client_ca_file'],
  }),
  'mqtt.client.auth.ca_dir': optionalSetting(absolutePath, {
    doc: 'Directory of CA certificates (PEM) the broker must prove itself with.',
    examples: ['/etc/mosquitto/ca_certificates'],
    deprecatedNames: ['mqtt.client.auth.cadir', 'mqtt.client.cadir', 'mqtt.client_ca_path'],
  }),
  'mqtt.client.auth.cert_file': optionalSetting(absolutePath, {
    doc: 'Certificate the services show to the broker (PEM).',
    examples: ['/etc/mosquitto/auth_certificates/cert.pem'],
    deprecatedNames: ['mqtt.client.auth.certfile', 'mqtt.client_auth.cert_file'],
  }),
  'mqtt.client.auth.key_file': optionalSetting(absolutePath, {
    doc: 'Private key of `mqtt.client.auth.cert_file` (PEM).',
    examples: ['/etc/mosquitto/auth_certificates/key.pem'],
    deprecatedNames: ['mqtt.client.auth.keyfile', 'mqtt.client_auth.key_file'],
  }),
  'mqtt.client.auth.username': optionalSetting(text, {
    doc: 'User name for a broker that asks for one.',
    examples: ['sallyport'],
  }),
  'mqtt.client.auth.password_file': optionalSetting(absolutePath, {
    doc: 'File whose first line is the password of `mqtt.client.auth.username`.',
    examples: ['/etc/tedge/mqtt-password'],
  }),
} as const;

// The back side is for services alone. The MQTT entrance stands before it, and clients of the network use only that.
const backSide = {
  'mqtt.broker.url': optionalSetting(brokerUrl, {
    doc: 'Back side of the MQTT broker behind the MQTT entrance, such as a Mosquitto. Unset: the embedded broker serves.',
    examples: ['unix:/run/mosquitto-sallyport/broker.sock', 'mqtts://broker.example:8883'],
    isOwn: true,
  }),
  'mqtt.broker.socket': optionalSetting(socketPath, {
    doc: 'Unix socket on which the embedded broker, in a process of its own, serves the other services. Without effect where `mqtt.broker.url` is set.',
    examples: ['/run/sallyport/broker.sock'],
    isOwn: true,
  }),
  'mqtt.broker.waits_for_save': setting(flag, {
    doc: 'Whether clients get what the broker of `mqtt.broker.url` sends only after it has saved its state. For a Mosquitto with `autosave_on_changes`, so that a crash loses nothing it has acknowledged.',
    default: false,
    examples: ['true', 'false'],
    isOwn: true,
  }),
  'mqtt.broker.ca_file': optionalSetting(absolutePath, {
    doc: 'CA certificates (PEM) that the broker of `mqtt.broker.url` must prove itself with. Unset: those of this site, as each service has fetched them.',
    examples: ['/etc/tedge/broker-ca.pem'],
    isOwn: true,
  }),
  'mqtt.broker.cert_file': optionalSetting(absolutePath, {
    doc: 'Certificate a service shows to the broker of `mqtt.broker.url` (PEM). Unset: the one the service has enrolled for.',
    examples: ['/etc/tedge/service-certs/agent/certificate.pem'],
    isOwn: true,
  }),
  'mqtt.broker.key_file': optionalSetting(absolutePath, {
    doc: 'Private key of `mqtt.broker.cert_file` (PEM).',
    examples: ['/etc/tedge/service-certs/agent/private-key.pem'],
    isOwn: true,
  }),
} as const;

const access = {
  'mqtt.broker.config_file': setting(absolutePath, {
    doc: 'Configuration of the Mosquitto of this machine, if it has one. `doctor` and `mqtt broker-config --check` look at it.',
    default: '/etc/mosquitto/mosquitto.conf',
    examples: ['/etc/mosquitto/mosquitto.conf'],
    isOwn: true,
  }),
  'mqtt.access.rules_path': optionalSetting(absolutePath, {
    doc: 'File (TOML) with rules of this site for MQTT topics: they add rights for roles and names. A change applies within seconds, without a restart.',
    examples: ['/etc/tedge/mqtt-access.toml'],
    isOwn: true,
  }),
} as const;

/** The local MQTT broker, its second listener, and how services reach a broker. */
export const mqttKeys = {
  'mqtt.topic_root': setting(topicPrefix, {
    doc: 'First level of every thin-edge.io MQTT topic.',
    default: 'te',
    examples: ['te'],
  }),
  'mqtt.device_topic_id': setting(entityTopicId, {
    doc: 'MQTT topic identifier of this device. Anything but `device/main//` makes it a child device.',
    default: 'device/main//',
    examples: ['device/main//', 'device/child01//'],
  }),
  ...listener,
  ...external,
  ...client,
  ...backSide,
  ...access,
} as const;
