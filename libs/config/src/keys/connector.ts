import { entrances } from '@sallyport/protocol';
import { byteSize } from '../byte-sizes.js';
import { positiveDuration } from '../durations.js';
import { entryCount } from '../file-values.js';
import { ipAddress, port } from '../network-values.js';
import { optionalSetting, setting } from '../setting.js';
import { absolutePath, flag } from '../text-values.js';

const isOwn = true;

/** Where devices with certificates of Client CAs connect. What a connector is, the device registry keeps. */
export const connectorKeys = {
  'connector.bind.address': setting(ipAddress, {
    doc: 'Address the connector listens on for the HTTP device API. 0.0.0.0 opens it to every network of the device.',
    default: '127.0.0.1',
    examples: ['127.0.0.1', '0.0.0.0'],
    isOwn,
  }),
  'connector.bind.port': setting(port, {
    doc: 'Port the connector listens on for the HTTP device API; 0 takes any free port.',
    default: entrances.connector.defaultPort,
    examples: ['8444', '443'],
    isOwn,
  }),
  'connector.mqtt.bind.address': setting(ipAddress, {
    doc: 'Address the connector listens on for the MQTT device API. 0.0.0.0 opens it to every network of the device.',
    default: '127.0.0.1',
    examples: ['127.0.0.1', '0.0.0.0'],
    isOwn,
  }),
  'connector.mqtt.bind.port': setting(port, {
    doc: 'Port the connector listens on for the MQTT device API; 0 takes any free port.',
    default: entrances['connector.mqtt'].defaultPort,
    examples: ['8884', '8883'],
    isOwn,
  }),
  'connector.cert_path': optionalSetting(absolutePath, {
    doc: 'Certificate that the connector shows to devices (PEM, leaf first). Unset: it gets one from the CA of this site, with the names of its connectors.',
    examples: ['/etc/ssl/connector.pem'],
    isOwn,
  }),
  'connector.key_path': optionalSetting(absolutePath, {
    doc: 'Private key of `connector.cert_path` (PEM).',
    examples: ['/etc/ssl/private/connector.key'],
    isOwn,
  }),
  'connector.requires_sni': setting(flag, {
    doc: 'Whether a device must name the host it connects to in the TLS handshake (SNI). With `false`, one that names none, as for an address, is a device of the default connector.',
    default: false,
    examples: ['true', 'false'],
    isOwn,
  }),
  'connector.values.retention': setting(positiveDuration, {
    doc: 'How long the history of values is kept. The present values of a device stay, however old they are.',
    default: '30d',
    examples: ['30d', '365d'],
    isOwn,
  }),
  'connector.values.max_writes': setting(entryCount, {
    doc: 'Most writes in the history of one device. A write of several values counts once.',
    default: 10_000,
    examples: ['10000', '100000'],
    isOwn,
  }),
  'connector.values.max_size': setting(byteSize, {
    doc: 'Most bytes of history of one device.',
    default: '16MiB',
    examples: ['16MiB', '1MiB'],
    isOwn,
  }),
  'connector.values.cache_size': setting(byteSize, {
    doc: 'About how much memory each process of the connector uses for the present values of the devices used last.',
    default: '64MiB',
    examples: ['64MiB', '512MiB'],
    isOwn,
  }),
  'connector.values.max_unpublished': setting(byteSize, {
    doc: 'About how many bytes of written values may wait in the store to be published while the broker is away. When it is full, writes are refused until the broker is back.',
    default: '256MiB',
    examples: ['256MiB', '2GiB'],
    isOwn,
  }),
} as const;
