import { join } from 'node:path';
import type { Settings } from '@sallyport/config';
import type { CertificateFiles } from '@sallyport/identity';
import type { EntranceGroup, ServiceName } from '@sallyport/protocol';

/** The settings keys of a listener: where it listens, and what decides its security level. */
const keysByGroup = {
  http: {
    address: 'http.bind.address',
    port: 'http.bind.port',
    cert: 'http.cert_path',
    key: 'http.key_path',
    ca: 'http.ca_path',
  },
  registry: {
    address: 'registry.bind.address',
    port: 'registry.bind.port',
    cert: 'registry.cert_path',
    key: 'registry.key_path',
    ca: 'registry.ca_path',
  },
  mqtt: {
    address: 'mqtt.bind.address',
    port: 'mqtt.bind.port',
    cert: 'mqtt.bind.cert_file',
    key: 'mqtt.bind.key_file',
    ca: 'mqtt.bind.ca_path',
  },
} as const;

/** A group whose level the operator's settings decide; the signer's own listener (`pki`) makes its certificate itself. */
export type ConfiguredGroup = Exclude<EntranceGroup, 'pki'>;

export interface EntranceSettings {
  readonly host: string;
  readonly port: number;
  readonly paths: {
    readonly certPath?: string;
    readonly keyPath?: string;
    readonly caPath?: string;
    readonly keys: { readonly cert: string; readonly key: string; readonly ca: string };
  };
}

/** Reads one group of settings; whether its parts fit together is judged when the files are read. */
export function entranceSettings(settings: Settings, group: ConfiguredGroup): EntranceSettings {
  const keys = keysByGroup[group];
  const [certPath, keyPath, caPath] = [settings.get(keys.cert), settings.get(keys.key), settings.get(keys.ca)];
  return {
    host: settings.require(keys.address),
    port: settings.require(keys.port),
    paths: {
      ...(certPath === undefined ? {} : { certPath }),
      ...(keyPath === undefined ? {} : { keyPath }),
      ...(caPath === undefined ? {} : { caPath }),
      keys: { cert: keys.cert, key: keys.key, ca: keys.ca },
    },
  };
}

export interface ServiceCertificateFiles extends CertificateFiles {
  /**
   * A directory of the CAs whose clients the entrance may admit. thin-edge.io's agent reads `http.ca_path` too, and takes
   * nothing but a directory.
   */
  readonly clientCaDirectory: string;
  /** The file in it that this service keeps: roots and issuing CAs of this site. */
  readonly clientCaPath: string;
  /** Where the same stood in earlier releases; kept up to date while settings may still name it. */
  readonly formerClientCaPath: string;
}

/** Where a service keeps the certificate it enrolled for by itself. */
export function serviceCertificateFiles(settings: Settings, service: ServiceName): ServiceCertificateFiles {
  const directory = join(settings.directory, 'service-certs', service);
  return {
    certPath: join(directory, 'certificate.pem'),
    keyPath: join(directory, 'private-key.pem'),
    caPath: join(directory, 'ca.pem'),
    clientCaDirectory: join(directory, 'client-ca'),
    clientCaPath: join(directory, 'client-ca', 'site.pem'),
    formerClientCaPath: join(directory, 'client-ca.pem'),
  };
}
