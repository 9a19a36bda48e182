import { entrances } from '@sallyport/protocol';
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
} as const;
