import { entrances } from '@sallyport/protocol';
import { positiveDuration } from '../durations.js';
import { connectUrl, host, hostList, ipAddress, port } from '../network-values.js';
import { optionalSetting, setting } from '../setting.js';
import { absolutePath, deviceId } from '../text-values.js';
import { sameAs } from './thin-edge-kinds.js';

/** The Cumulocity tenant, the identity this device has there, and the proxy to its REST API. Every key may be given per profile. */
export const c8yKeys = {
  'c8y.url': optionalSetting(connectUrl, {
    doc: 'Host of the Cumulocity tenant.',
    examples: ['your-tenant.cumulocity.com'],
  }),
  'c8y.device.id': optionalSetting(deviceId, {
    doc: 'Identity of this device at the tenant. Unset: the value of `device.id`, else the common name of the certificate at `c8y.device.cert_path`.',
    examples: ['rpi4-dca632efb150'],
  }),
  'c8y.device.key_path': setting(absolutePath, {
    doc: 'Where the private key for the tenant is.',
    default: sameAs('device.key_path'),
    examples: ['/etc/tedge/device-certs/plant2-private-key.pem'],
  }),
  'c8y.device.cert_path': setting(absolutePath, {
    doc: 'Where the certificate for the tenant is.',
    default: sameAs('device.cert_path'),
    examples: ['/etc/tedge/device-certs/plant2-certificate.pem'],
  }),
  'c8y.device.csr_path': setting(absolutePath, {
    doc: 'Where the certificate signing request for the tenant is written.',
    default: sameAs('device.csr_path'),
    examples: ['/etc/tedge/device-certs/plant2.csr'],
  }),
  'c8y.proxy.bind.address': setting(ipAddress, {
    doc: 'Address the Cumulocity proxy listens on.',
    default: '127.0.0.1',
    examples: ['127.0.0.1', '192.168.1.6'],
  }),
  'c8y.proxy.bind.port': setting(port, {
    doc: 'Port the Cumulocity proxy listens on; 0 takes any free port. Each profile needs a port of its own.',
    default: entrances['c8y.proxy'].defaultPort,
    examples: ['8001'],
  }),
  'c8y.proxy.client.host': setting(host, {
    doc: 'Host where clients of this device find the Cumulocity proxy.',
    default: '127.0.0.1',
    examples: ['127.0.0.1', '192.168.1.6', 'rpi4-dca632efb150'],
  }),
  'c8y.proxy.client.port': setting(port, {
    doc: 'Port where clients of this device find the Cumulocity proxy.',
    default: sameAs('c8y.proxy.bind.port'),
    examples: ['8001'],
  }),
  'c8y.proxy.cert_path': optionalSetting(absolutePath, {
    doc: 'Certificate of the Cumulocity proxy (PEM, leaf first). With `c8y.proxy.key_path` it turns HTTPS on. A profile for which none of certificate, key and CAs is set has those from outside of profiles.',
    examples: ['/etc/tedge/device-local-certs/c8y-mapper.crt'],
  }),
  'c8y.proxy.key_path': optionalSetting(absolutePath, {
    doc: 'Private key of `c8y.proxy.cert_path` (PEM).',
    examples: ['/etc/tedge/device-local-certs/c8y-mapper.key'],
  }),
  'c8y.proxy.ca_path': optionalSetting(absolutePath, {
    doc: 'File or directory of CA certificates (PEM) that clients of the Cumulocity proxy must prove themselves with.',
    examples: ['/etc/ssl/certs'],
  }),
  'c8y.proxy.rules_path': optionalSetting(absolutePath, {
    doc: 'File (TOML) that says which clients of the Cumulocity proxy may do what. Unset: every admitted client may do everything that this device may.',
    examples: ['/etc/tedge/c8y-proxy-rules.toml'],
    isOwn: true,
  }),
  'c8y.proxy.allowed_hosts': setting(hostList, {
    doc: 'Hosts whose web pages may send requests to the Cumulocity proxy, besides the host they send them to. Without TLS that host counts only by its address or as `localhost`, or by the name of this machine; name any other here. Programs other than browsers need no permission.',
    default: [],
    examples: ['dashboard.example'],
    isOwn: true,
  }),
  'c8y.proxy.response_timeout': setting(positiveDuration, {
    doc: 'How long the Cumulocity proxy waits for the cloud to begin its answer. Then the client gets 504. Raise it for long polling.',
    default: '60s',
    examples: ['60s', '10m'],
    isOwn: true,
  }),
} as const;
