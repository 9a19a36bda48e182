import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { nameOf, offeredProfiles, type Settings } from '@sallyport/config';
import type { CertificateFiles } from '@sallyport/identity';
import { type ConfiguredGroup, entrances, Problem, type ServiceName, statePlaces } from '@sallyport/protocol';
import type { Address } from './entrance-listener.js';
import type { ConfiguredId } from './security-source.js';

const everyAddress = '0.0.0.0';

export interface EntranceSettings {
  readonly paths: {
    readonly certPath?: string;
    readonly keyPath?: string;
    readonly caPath?: string;
    readonly keys: { readonly cert: string; readonly key: string; readonly ca: string };
  };
}

/**
 * Reads one group of settings; whether its parts fit together is judged when the files are read. A profile for which
 * none of the three is set has those from outside of profiles, so that one change of level reaches every profile.
 */
export function entranceSettings(settings: Settings, { group, profile }: ConfiguredId): EntranceSettings {
  if (profile === undefined || !isConnected(settings, { group, profile })) return { paths: pathsIn(settings, group) };
  const own = pathsIn(settings.ofProfile(profile), group);
  const isOwn = [own.certPath, own.keyPath, own.caPath].some((path) => path !== undefined);
  return { paths: isOwn ? { ...own, keys: keysOfProfile(group, profile) } : pathsIn(settings, group) };
}

function pathsIn(settings: Settings, group: ConfiguredGroup): EntranceSettings['paths'] {
  const { keys } = entrances[group];
  const [certPath, keyPath, caPath] = [settings.get(keys.cert), settings.get(keys.key), settings.get(keys.ca)];
  return {
    ...(certPath === undefined ? {} : { certPath }),
    ...(keyPath === undefined ? {} : { keyPath }),
    ...(caPath === undefined ? {} : { caPath }),
    keys,
  };
}

/** The names of the settings as a person sets them. */
function keysOfProfile(group: ConfiguredGroup, profile: string): EntranceSettings['paths']['keys'] {
  const { cert, key, ca } = entrances[group].keys;
  return { cert: nameOf({ key: cert, profile }), key: nameOf({ key, profile }), ca: nameOf({ key: ca, profile }) };
}

function isConnected(settings: Settings, { group, profile }: ConfiguredId): boolean {
  return offeredProfiles(settings, group).includes(profile);
}

/**
 * Where an entrance is to listen; undefined while its settings ask for none.
 *
 * @throws Problem `config-invalid`: the network interface of the settings has no such address.
 */
export function entranceAddress(allSettings: Settings, id: ConfiguredId): Address | undefined {
  const { group, profile } = id;
  const row = entrances[group];
  const isOffered = isConnected(allSettings, id);
  const settings = profile === undefined || !isOffered ? allSettings : allSettings.ofProfile(profile);
  const port = settings.get(`${group}.bind.port`);
  const address = settings.get(`${group}.bind.address`) ?? everyAddress;
  if (port === undefined || !isOffered) return undefined;
  const key = 'interfaceKey' in row ? row.interfaceKey : undefined;
  const name = key === undefined ? undefined : settings.get(key);
  if (key === undefined || name === undefined) return { host: address, port };
  return { ...placeAt({ key, name }, address), port };
}

/**
 * Refuses settings in which two connections to a cloud have the same place: only one of them could listen there.
 *
 * @throws Problem `config-invalid`: it names both settings
 */
export function requireOwnPlaces(
  settings: Settings,
  group: ConfiguredGroup,
  profiles: readonly (string | undefined)[],
): void {
  const portKey = `${group}.bind.port` as const;
  const ownerByPort = new Map<number, string>();
  for (const profile of profiles) {
    const port = (profile === undefined ? settings : settings.ofProfile(profile)).get(portKey);
    const name = nameOf(profile === undefined ? { key: portKey } : { key: portKey, profile });
    const other = port === undefined ? undefined : ownerByPort.get(port);
    if (other !== undefined) throw samePort(other, name, port);
    // Port 0 takes a free one.
    if (port !== undefined && port !== 0) ownerByPort.set(port, name);
  }
}

function samePort(one: string, other: string, port: number | undefined): Problem {
  return new Problem(
    'config-invalid',
    `${one} and ${other} are both ${port}, and each connection needs a port of its own. Choose another for one of them: sallyport config set ${other} PORT`,
  );
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
