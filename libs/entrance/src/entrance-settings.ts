import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { isEntranceOffered, type Settings } from '@sallyport/config';
import type { CertificateFiles } from '@sallyport/identity';
import { type ConfiguredGroup, entrances, Problem, type ServiceName, statePlaces } from '@sallyport/protocol';
import type { Address } from './entrance-listener.js';

const everyAddress = '0.0.0.0';

export interface EntranceSettings {
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
    paths: {
      ...(certPath === undefined ? {} : { certPath }),
      ...(keyPath === undefined ? {} : { keyPath }),
      ...(caPath === undefined ? {} : { caPath }),
      keys,
    },
  };
}

/**
 * Where an entrance is to listen; undefined while its settings ask for none.
 *
 * @throws Problem `config-invalid`: the network interface of the settings has no such address.
 */
export function entranceAddress(settings: Settings, group: ConfiguredGroup): Address | undefined {
  const row = entrances[group];
  const port = settings.get(`${group}.bind.port`);
  const address = settings.get(`${group}.bind.address`) ?? everyAddress;
  if (port === undefined || !isEntranceOffered(settings, group)) return undefined;
  const key = 'interfaceKey' in row ? row.interfaceKey : undefined;
  const name = key === undefined ? undefined : settings.get(key);
  if (key === undefined || name === undefined) return { host: address, port };
  return { ...placeAt({ key, name }, address), port };
}

/** An address is one of the interface, or all of them. */
function placeAt(given: { readonly key: string; readonly name: string }, address: string): Omit<Address, 'port'> {
  const { key, name } = given;
  const addresses = interfaceAddresses(name);
  if (addresses.includes(address)) return { host: address };
  const [host, ...moreHosts] = addresses;
  if (host === undefined) {
    const others = Object.keys(networkInterfaces()).join(', ');
    throw new Problem(
      'config-invalid',
      `${key}: no network interface "${name}" has an address here; these have: ${others}.`,
    );
  }
  if (address === everyAddress || address === '::') return { host, moreHosts };
  throw new Problem(
    'config-invalid',
    `${key}: ${address} is no address of the network interface "${name}", which has ${addresses.join(', ')}.`,
  );
}

function interfaceAddresses(name: string): string[] {
  const addresses = networkInterfaces()[name] ?? [];
  // RFC 4007 §11: a link-local address means something only with its interface.
  return addresses.map(({ address, family, scopeid }) =>
    family === 'IPv6' && scopeid !== 0 ? `${address}%${name}` : address,
  );
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
