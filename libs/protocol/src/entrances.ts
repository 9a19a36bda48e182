import { z } from 'zod';
import type { PeerKind } from './ids.js';

/** The processes Sallyport is made of. */
export const serviceName = z.enum([
  'agent',
  'pki-signer',
  'device-registry',
  'mqtt-broker',
  'mqtt-bridge',
  'c8y-proxy',
  'connector',
  'coap-gateway',
]);
export type ServiceName = z.infer<typeof serviceName>;

/** One row of the table: what others need to know of an entrance. Its service decides what happens on a connection. */
export interface EntranceDefinition {
  /** The service that opens it. */
  readonly service: ServiceName;
  readonly protocol: 'http' | 'mqtt' | 'coap';
  /** What passes through, in a few words for people: `file transfer`. */
  readonly name: string;
  /** Value of `GROUP.bind.port` while nobody sets it. Absent: the entrance opens only where somebody sets a port. */
  readonly defaultPort?: number;
  /** True for the network entrance to the admin API of its service. */
  readonly isAdminApi?: true;
  /** For people who copy the address: what it begins with, when that is not the usual one of the protocol. */
  readonly schemes?: { readonly plain: string; readonly tls: string };
  /** For people who copy the address: where its paths begin. */
  readonly path?: string;
  /**
   * Whether clients need a certificate. `by-level`: at level mutual all need one, below it none does. `required`: the
   * entrance stays shut below level mutual. `optional`: the service decides for each request. `none`: never.
   */
  readonly clientCertificate: 'by-level' | 'required' | 'optional' | 'none';
  /** Kinds of certificate that may pass; all of them when absent. */
  readonly permittedKinds?: readonly PeerKind[];
  /** Plain text at every level of the site, on purpose: it has no level to list, to change or to prove. */
  readonly isAlwaysPlain?: true;
  /** Settings that decide the security level. Absent: the service makes its own certificate, or needs none. */
  readonly keys?: { readonly cert: string; readonly key: string; readonly ca: string };
  /**
   * The entrance in words, for the description of its settings: `libs/config` declares address, port and `keys` from
   * this row. Absent: the settings are declared by hand in `libs/config/src/keys`.
   */
  readonly settingsOf?: string;
  /** Settings with the place of the entrance: for clients on this device, and for others. */
  readonly clientHostKey?: string;
  readonly clientPortKey?: string;
  readonly urlKey?: string;
  /** A setting that shuts the entrance with `false`. */
  readonly enabledKey?: string;
  /**
   * It is open only while the site is connected to this cloud (setting `cloud.connections`), once for each connection:
   * each profile of the cloud has an entrance with settings of its own, `c8y.profiles.NAME.proxy.bind.port` and so on.
   */
  readonly cloud?: 'c8y';
  /** A setting that limits the entrance to the addresses of a network interface. */
  readonly interfaceKey?: string;
  /** True when another program may replace the service, as Mosquitto may replace the embedded broker. */
  readonly isReplaceable?: boolean;
  /** True when a site may do without the service. */
  readonly isOptional?: true;
}

/**
 * Every entrance of every service, in the order in which `secure` changes their level. A new entrance is one row here, and
 * its service opens it; settings, levels, commands and checks derive from the row.
 *
 * The name of a row is the settings group of the entrance: the part before `.bind.port`. It also names the entrance in
 * admission requests, audit rows, metrics and logs (`entranceName`), because no two entrances have the same.
 */
export const entrances = {
  http: {
    service: 'agent',
    protocol: 'http',
    name: 'file transfer',
    defaultPort: 8000,
    path: '/tedge/file-transfer/',
    clientCertificate: 'by-level',
    keys: { cert: 'http.cert_path', key: 'http.key_path', ca: 'http.ca_path' },
    clientHostKey: 'http.client.host',
    clientPortKey: 'http.client.port',
  },
  'c8y.proxy': {
    service: 'c8y-proxy',
    protocol: 'http',
    name: 'Cumulocity proxy',
    defaultPort: 8001,
    path: '/c8y/',
    clientCertificate: 'by-level',
    keys: { cert: 'c8y.proxy.cert_path', key: 'c8y.proxy.key_path', ca: 'c8y.proxy.ca_path' },
    clientHostKey: 'c8y.proxy.client.host',
    clientPortKey: 'c8y.proxy.client.port',
    cloud: 'c8y',
  },
  registry: {
    service: 'device-registry',
    protocol: 'http',
    name: 'registry admin API',
    defaultPort: 8002,
    path: '/v1/devices',
    isAdminApi: true,
    clientCertificate: 'required',
    permittedKinds: ['admin'],
    keys: { cert: 'registry.cert_path', key: 'registry.key_path', ca: 'registry.ca_path' },
    settingsOf: 'the admin API of the device registry',
  },
  pki: {
    service: 'pki-signer',
    protocol: 'http',
    name: 'enrolment',
    defaultPort: 8443,
    path: '/.well-known/est/',
    clientCertificate: 'optional',
    urlKey: 'pki.url',
  },
  'pki.public': {
    service: 'pki-signer',
    protocol: 'http',
    name: 'revocation lists',
    defaultPort: 8442,
    path: '/',
    clientCertificate: 'none',
    // RFC 5280 §8: a CRL behind TLS could not be fetched without that CRL.
    isAlwaysPlain: true,
    urlKey: 'pki.public.url',
  },
  // The admin API of the signer can do more than any other, so it is on the network only where its port is set.
  'pki.admin': {
    service: 'pki-signer',
    protocol: 'http',
    name: 'signer admin API',
    path: '/v1/ca',
    isAdminApi: true,
    clientCertificate: 'required',
    permittedKinds: ['admin'],
    keys: { cert: 'pki.admin.cert_path', key: 'pki.admin.key_path', ca: 'pki.admin.ca_path' },
    settingsOf: 'the admin API of the certificate authority',
  },
  // Devices with certificates of other CAs, which no level of the site concerns: always TLS, with a certificate that the
  // connector gets from the signer by itself.
  connector: {
    service: 'connector',
    protocol: 'http',
    name: 'connector',
    defaultPort: 8444,
    path: '/api:v1/',
    clientCertificate: 'optional',
    permittedKinds: ['device'],
    isOptional: true,
  },
  'connector.mqtt': {
    service: 'connector',
    protocol: 'mqtt',
    name: 'connector, MQTT',
    defaultPort: 8884,
    clientCertificate: 'optional',
    permittedKinds: ['device'],
    isOptional: true,
  },
  // Devices of OCF, with a certificate of this site or of CAs named in its settings: always TLS, at every level of the site.
  coap: {
    service: 'coap-gateway',
    protocol: 'coap',
    name: 'CoAP gateway',
    defaultPort: 5684,
    clientCertificate: 'optional',
    permittedKinds: ['device'],
    isOptional: true,
  },
  // EST for constrained devices (RFC 9148), in the process that signs: it sees for itself what a client proved.
  'pki.coap': {
    service: 'pki-signer',
    protocol: 'coap',
    name: 'enrolment, CoAP',
    defaultPort: 5685,
    path: '/.well-known/est/',
    clientCertificate: 'optional',
  },
  'coap.admin': {
    service: 'coap-gateway',
    protocol: 'http',
    name: 'CoAP gateway admin API',
    path: '/api/v1/devices',
    isAdminApi: true,
    clientCertificate: 'required',
    permittedKinds: ['admin'],
    keys: { cert: 'coap.admin.cert_path', key: 'coap.admin.key_path', ca: 'coap.admin.ca_path' },
    settingsOf: 'the admin API of the CoAP gateway',
    isOptional: true,
  },
  mqtt: {
    service: 'mqtt-broker',
    protocol: 'mqtt',
    name: 'MQTT',
    defaultPort: 1883,
    clientCertificate: 'by-level',
    keys: { cert: 'mqtt.bind.cert_file', key: 'mqtt.bind.key_file', ca: 'mqtt.bind.ca_path' },
    enabledKey: 'mqtt.bind.enabled',
    clientPortKey: 'mqtt.client.port',
    isReplaceable: true,
  },
  // Another way to the same broker, with the level and the certificates of `mqtt`.
  'mqtt.websocket': {
    service: 'mqtt-broker',
    protocol: 'http',
    name: 'MQTT over WebSocket',
    schemes: { plain: 'ws', tls: 'wss' },
    path: '/mqtt',
    clientCertificate: 'by-level',
    keys: { cert: 'mqtt.bind.cert_file', key: 'mqtt.bind.key_file', ca: 'mqtt.bind.ca_path' },
    enabledKey: 'mqtt.bind.enabled',
    isReplaceable: true,
  },
  'mqtt.external': {
    service: 'mqtt-broker',
    protocol: 'mqtt',
    name: 'MQTT, external',
    clientCertificate: 'by-level',
    keys: { cert: 'mqtt.external.cert_file', key: 'mqtt.external.key_file', ca: 'mqtt.external.ca_path' },
    interfaceKey: 'mqtt.external.bind.interface',
    isReplaceable: true,
  },
} as const satisfies Readonly<Record<string, EntranceDefinition>>;

/** The name of an entrance: its settings group. */
export type EntranceGroup = keyof typeof entrances;

/** The name of one entrance: its group, and the profile where there is one for each (`c8y.proxy@plant2`). */
export type EntranceName = EntranceGroup | `${EntranceGroup}@${string}`;

/** Which entrance: `profile` only where the row has a `cloud`, and absent for the connection outside of profiles. */
export interface EntranceId {
  readonly group: EntranceGroup;
  readonly profile?: string | undefined;
}

/** Groups of a kind of row, such as those with `keys`. */
type GroupsWith<Part> = { [G in EntranceGroup]: (typeof entrances)[G] extends Part ? G : never }[EntranceGroup];

/** An entrance whose level the settings of the operator decide. */
export type ConfiguredGroup = GroupsWith<{ readonly keys: object }>;

/** An entrance whose settings are declared from its row. */
export type DeclaredGroup = GroupsWith<{ readonly keys: object; readonly settingsOf: string }>;

/** In the order of the table. */
export const entranceGroups: readonly EntranceGroup[] = Object.keys(entrances).filter(isEntranceGroup);
export const configuredGroups: readonly ConfiguredGroup[] = entranceGroups.filter(isConfiguredGroup);
export const declaredGroups: readonly DeclaredGroup[] = configuredGroups.filter(isDeclaredGroup);

export const entranceGroup = z.literal([...entranceGroups]);

/** A row with all columns; those it leaves out are undefined. */
export function entranceDefinition(group: EntranceGroup): EntranceDefinition {
  return entrances[group];
}

/** What admission requests, audit rows, metrics and logs call an entrance. */
export function entranceName({ group, profile }: EntranceId): EntranceName {
  return profile === undefined ? group : `${group}@${profile}`;
}

/** True for a service that another program may replace. There is no admin API of ours then. */
export function isReplaceable(service: ServiceName): boolean {
  return Object.values<EntranceDefinition>(entrances).some(
    (row) => row.service === service && row.isReplaceable === true,
  );
}

/** True for a service that a site may do without. */
export function isOptional(service: ServiceName): boolean {
  return Object.values<EntranceDefinition>(entrances).some((row) => row.service === service && row.isOptional === true);
}

/** Services that a site needs only while it is connected to a cloud. */
const cloudServices: ReadonlySet<ServiceName> = new Set<ServiceName>(['mqtt-bridge', 'c8y-proxy']);

/** True for a service that a site without a cloud need not run. */
export function isForClouds(service: ServiceName): boolean {
  return cloudServices.has(service);
}

/** Whether a service has entrances. Without one it has no level, and its admin API knows no `entranceRoutes`. */
export function hasEntrances(service: ServiceName): boolean {
  return Object.values<EntranceDefinition>(entrances).some((row) => row.service === service);
}

/** True for an entrance that is shut below level mutual, where clients prove no name. */
export function isMutualOnly({ clientCertificate }: EntranceDefinition): boolean {
  return clientCertificate === 'required';
}

function isEntranceGroup(name: string): name is EntranceGroup {
  return Object.hasOwn(entrances, name);
}

function isConfiguredGroup(group: EntranceGroup): group is ConfiguredGroup {
  return entranceDefinition(group).keys !== undefined;
}

function isDeclaredGroup(group: ConfiguredGroup): group is DeclaredGroup {
  return entranceDefinition(group).settingsOf !== undefined;
}
