import { join } from 'node:path';
import { duration } from '../durations.js';
import { type DerivedDefault, optionalSetting, setting } from '../setting.js';
import { absolutePath, deviceId, subjectName, text } from '../text-values.js';

function inDeviceCerts(name: string): DerivedDefault {
  return {
    text: `\`<config directory>/device-certs/${name}\``,
    from: (context) => join(context.configDirectory, 'device-certs', name),
  };
}

/** Who this device is, and the certificates it makes for itself. */
export const deviceKeys = {
  'device.id': optionalSetting(deviceId, {
    doc: 'Identity of this device, unique in the fleet. Unset: the common name of the certificate at `device.cert_path`.',
    examples: ['rpi4-dca632efb150'],
  }),
  'device.key_path': setting(absolutePath, {
    doc: "Where the device's private key is.",
    default: inDeviceCerts('tedge-private-key.pem'),
    examples: ['/etc/tedge/device-certs/tedge-private-key.pem'],
  }),
  'device.cert_path': setting(absolutePath, {
    doc: "Where the device's certificate is.",
    default: inDeviceCerts('tedge-certificate.pem'),
    examples: ['/etc/tedge/device-certs/tedge-certificate.pem'],
  }),
  'device.csr_path': setting(absolutePath, {
    doc: "Where the device's certificate signing request is written.",
    default: inDeviceCerts('tedge.csr'),
    examples: ['/etc/tedge/device-certs/tedge.csr'],
  }),
  'device.type': setting(text, {
    doc: 'Type of the device, as reported to the cloud.',
    default: 'thin-edge.io',
    examples: ['thin-edge.io'],
  }),
  'certificate.validity.requested_duration': setting(duration, {
    doc: 'Lifetime asked for in certificates this device makes or requests.',
    default: '365d',
    examples: ['365d'],
  }),
  'certificate.validity.minimum_duration': setting(duration, {
    doc: 'A certificate with less life left than this needs renewal.',
    default: '30d',
    examples: ['30d'],
  }),
  'certificate.organization': setting(subjectName, {
    doc: 'Organization (O) in the subject of self-signed certificates and signing requests.',
    default: 'Thin Edge',
    examples: ['Acme Ltd'],
  }),
  'certificate.organization_unit': setting(subjectName, {
    doc: 'Organizational unit (OU) in the subject of self-signed certificates and signing requests.',
    default: 'Device',
    examples: ['Gateways'],
  }),
} as const;
