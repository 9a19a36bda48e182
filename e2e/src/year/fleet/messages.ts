/**
 * How a device talks to the site. `cli` is one of HTTP that gets its certificates with the CLI. The certificate of
 * `connector` is of a Client CA, all others are of the site.
 */
export const protocols = ['http', 'mqtt', 'coap', 'connector', 'cli'] as const;
export type Protocol = (typeof protocols)[number];

/** A new device, and what it is given once. */
export interface DeviceSpec {
  readonly name: string;
  readonly protocol: Protocol;
  /** Holds its files. A device of CoAP finds its identity there. */
  readonly directory: string;
  /** Its own, so that no device pays for the failed handshakes of another. */
  readonly address: string;
  /** One-time token; of a device of CoAP the authorization code. */
  readonly secret: string;
}

/** Where the devices find the site. */
export interface FleetSite {
  readonly http: number;
  readonly pki: number;
  readonly mqtt: number;
  readonly connector: number;
  readonly coap: number;
  /** The bundle of the CLI. */
  readonly cli: string;
  /** PEM file with the root of the site. */
  readonly rootPath: string;
  /** For the Client CA of the devices of the connector. */
  readonly fleetCaPath: string;
}

/** What a device did when it was awake. */
export interface WakeReport {
  readonly name: string;
  /** Why its data did not get through; undefined when it did. */
  readonly refused?: string;
  /** Whether it asked for a new certificate: undefined when none was due. */
  readonly renewal?: 'done' | string;
  /** The end of its certificate now, and whether that is over. */
  readonly notAfter: string;
  readonly hasEnded: boolean;
}

export type FleetRequest =
  | { readonly kind: 'add'; readonly id: number; readonly devices: readonly DeviceSpec[] }
  | { readonly kind: 'wake'; readonly id: number; readonly names: readonly string[] };

export type FleetAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'awake'; readonly id: number; readonly reports: readonly WakeReport[] };
