import { join } from 'node:path';
import type { Settings } from '@sallyport/config';
import type { CertificateFiles } from '@sallyport/identity';
import { type ConfiguredGroup, entrances, type ServiceName, statePlaces } from '@sallyport/protocol';

export interface EntranceSettings {
  readonly host: string;
  /** Undefined while nobody sets the port of an entrance without a default one. */
  readonly port: number | undefined;
  readonly paths: {
    readonly certPath?: string;
    readonly keyPath?: string;
    readonly caPath?: string;
    readonly keys: { readonly cert: string; readonly key: string; readonly ca: string };
  };
}

/** Reads one group of settings; whether its parts fit together is judged when the files are read. */
export function entranceSettings(settings: Settings, group: ConfiguredGroup): EntranceSettings {
  const { keys } = entrances[group];
  const [certPath, keyPath, caPath] = [settings.get(keys.cert), settings.get(keys.key), settings.get(keys.ca)];
  return {
    host: settings.require(`${group}.bind.address`),
    port: settings.get(`${group}.bind.port`),
    paths: {
      ...(certPath === undefined ? {} : { certPath }),
      ...(keyPath === undefined ? {} : { keyPath }),
      ...(caPath === undefined ? {} : { caPath }),
      keys,
    },
  };
}

export interface ServiceCertificateFiles extends CertificateFiles {
  /**
   * A directory of the CAs whose clients the entrance may admit. thin-edge.io's agent reads `http.ca_path` too, and
   * takes nothing but a directory.
   */
  readonly clientCaDirectory: string;
  /** The file in it that this service keeps: roots and issuing CAs of this site. */
  readonly clientCaPath: string;
  /** Where the same stood in earlier releases; kept up to date while settings may still name it. */
  readonly formerClientCaPath: string;
}

/** Where a service keeps the certificate it enrolled for by itself. */
export function serviceCertificateFiles(settings: Settings, service: ServiceName): ServiceCertificateFiles {
  const directory = statePlaces(settings.stateDirectory).folderOf(service);
  return {
    certPath: join(directory, 'certificate.pem'),
    keyPath: join(directory, 'private-key.pem'),
    caPath: join(directory, 'ca.pem'),
    clientCaDirectory: join(directory, 'client-ca'),
    clientCaPath: join(directory, 'client-ca', 'site.pem'),
    formerClientCaPath: join(directory, 'client-ca.pem'),
  };
}
