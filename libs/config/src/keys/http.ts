import { entrances } from '@sallyport/protocol';
import { byteSize } from '../byte-sizes.js';
import { entryCount, percentage, umask } from '../file-values.js';
import { host, ipAddress, port } from '../network-values.js';
import { optionalSetting, setting } from '../setting.js';
import { absolutePath, fileAuthorization } from '../text-values.js';

/** The file transfer service of `tedge-agent`, and how its clients reach it. */
export const httpKeys = {
  'http.bind.port': setting(port, {
    doc: 'Port the file transfer service listens on; 0 takes any free port.',
    default: entrances.http.defaultPort,
    examples: ['8000'],
    deprecatedNames: ['http.port'],
  }),
  'http.bind.address': setting(ipAddress, {
    doc: 'Address the file transfer service listens on. 0.0.0.0 opens it to every network of the device.',
    default: {
      text: 'the value of `mqtt.external.bind.address` if set, else of `mqtt.bind.address`',
      from: (context) => context.value('mqtt.external.bind.address') ?? context.value('mqtt.bind.address'),
    },
    examples: ['127.0.0.1', '192.168.1.6', '0.0.0.0'],
    deprecatedNames: ['http.address', 'http.bind_address'],
  }),
  'http.cert_path': optionalSetting(absolutePath, {
    doc: 'Certificate of the file transfer service (PEM, leaf first). With `http.key_path` it turns HTTPS on.',
    examples: ['/etc/tedge/device-local-certs/main-agent.crt'],
  }),
  'http.key_path': optionalSetting(absolutePath, {
    doc: 'Private key of `http.cert_path` (PEM).',
    examples: ['/etc/tedge/device-local-certs/main-agent.key'],
  }),
  'http.ca_path': optionalSetting(absolutePath, {
    doc: 'File or directory of CA certificates (PEM). With HTTPS on, every client must prove itself with a certificate from one of them.',
    examples: ['/etc/ssl/certs'],
  }),
  'http.client.host': setting(host, {
    doc: 'Host where clients of this device find the file transfer service.',
    default: '127.0.0.1',
    examples: ['127.0.0.1', '192.168.1.6', 'rpi4-dca632efb150'],
  }),
  'http.client.port': setting(port, {
    doc: 'Port where clients of this device find the file transfer service. It does not follow `http.bind.port`.',
    default: entrances.http.defaultPort,
    examples: ['8000'],
  }),
  'http.client.auth.cert_file': optionalSetting(absolutePath, {
    doc: 'Certificate this device shows to the file transfer service and to the Cumulocity proxy (PEM).',
    examples: ['/etc/tedge/device-local-certs/tedge-client.crt'],
  }),
  'http.client.auth.key_file': optionalSetting(absolutePath, {
    doc: 'Private key of `http.client.auth.cert_file` (PEM).',
    examples: ['/etc/tedge/device-local-certs/tedge-client.key'],
  }),
  'http.authorization': setting(fileAuthorization, {
    doc: 'Who may touch which file once clients show certificates: `any` admitted client every file, or each device only files below its `own` id.',
    default: 'any',
    examples: ['any', 'own'],
    isOwn: true,
  }),
  'http.max_upload_size': optionalSetting(byteSize, {
    doc: 'Largest file the file transfer service takes. Unset: any size.',
    examples: ['104857600', '100MiB'],
    isOwn: true,
  }),
  'http.storage_quota': optionalSetting(byteSize, {
    doc: 'Most bytes the file transfer service keeps altogether, in whole blocks of the disk: the smallest file or folder counts 4 KiB. Unset: as much as the disk holds.',
    examples: ['2GiB'],
    isOwn: true,
  }),
  'http.storage_entries': setting(entryCount, {
    doc: 'Most files and folders the file transfer service keeps altogether.',
    default: 100_000,
    examples: ['100000'],
    isOwn: true,
  }),
  'http.storage_share': setting(percentage, {
    doc: 'Percentage of `http.storage_quota` and `http.storage_entries` that one device may use, or one network whose clients show no certificate. Services, administrators and this machine itself may use all.',
    default: 50,
    examples: ['50', '100'],
    isOwn: true,
  }),
  'http.storage_umask': optionalSetting(umask, {
    doc: 'Permission bits that stored files and folders do not get, in octal. Unset: 027, so others on this machine read nothing, and fewer where the umask of the process says so.',
    examples: ['022', '077'],
    isOwn: true,
  }),
} as const;
