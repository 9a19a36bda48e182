import type { TextKey } from '@sallyport/config';
import type { EntranceGroup, ServiceName } from '@sallyport/protocol';

/** A listener whose security level the settings decide. */
export interface SecuredGroup {
  readonly group: Exclude<EntranceGroup, 'pki'>;
  readonly service: ServiceName;
  readonly keys: SecurityKeys;
  /** True for a listener that is closed below level mutual: nobody could be told apart there. */
  readonly isMutualOnly: boolean;
}

export interface SecurityKeys {
  readonly cert: PathKey;
  readonly key: PathKey;
  readonly ca: PathKey;
}

/** Settings that hold the path of a certificate, a key or CAs. */
export type PathKey = Extract<TextKey, `${string}_path` | `${string}_file` | `${string}_dir`>;

/** In the order in which they change their level. */
export const securedGroups: readonly SecuredGroup[] = [
  {
    group: 'http',
    service: 'agent',
    keys: { cert: 'http.cert_path', key: 'http.key_path', ca: 'http.ca_path' },
    isMutualOnly: false,
  },
  {
    group: 'registry',
    service: 'device-registry',
    keys: { cert: 'registry.cert_path', key: 'registry.key_path', ca: 'registry.ca_path' },
    isMutualOnly: true,
  },
  {
    group: 'mqtt',
    service: 'mqtt-broker',
    keys: { cert: 'mqtt.bind.cert_file', key: 'mqtt.bind.key_file', ca: 'mqtt.bind.ca_path' },
    isMutualOnly: false,
  },
];
