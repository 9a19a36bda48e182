import type { ConfigKey } from '@sallyport/config';
import type { ServiceName } from '@sallyport/protocol';

/** A listener of a service on the network, and the settings that say where it is. */
export interface ListenerKeys {
  readonly service: ServiceName;
  /** What passes through, in words. */
  readonly name: string;
  readonly addressKey: ConfigKey;
  readonly portKey: ConfigKey;
  /** Where clients of this device look for the port: set with it when it says the same. */
  readonly clientPortKey?: ConfigKey;
  /** Address that others are told: set with the port when it says the same. */
  readonly urlKey?: ConfigKey;
  /** It opens only when all of these are set. */
  readonly needs?: readonly ConfigKey[];
}

/** Every listener on the network. */
export const listenerKeys: readonly ListenerKeys[] = [
  {
    service: 'device-registry',
    name: 'device registry',
    addressKey: 'registry.bind.address',
    portKey: 'registry.bind.port',
    needs: ['registry.cert_path', 'registry.key_path', 'registry.ca_path'],
  },
  {
    service: 'pki-signer',
    name: 'enrolment',
    addressKey: 'pki.bind.address',
    portKey: 'pki.bind.port',
    urlKey: 'pki.url',
  },
  {
    service: 'pki-signer',
    name: 'revocation lists',
    addressKey: 'pki.public.bind.address',
    portKey: 'pki.public.bind.port',
    urlKey: 'pki.public.url',
  },
  {
    service: 'mqtt-broker',
    name: 'MQTT',
    addressKey: 'mqtt.bind.address',
    portKey: 'mqtt.bind.port',
    clientPortKey: 'mqtt.client.port',
  },
  {
    service: 'agent',
    name: 'file transfer',
    addressKey: 'http.bind.address',
    portKey: 'http.bind.port',
    clientPortKey: 'http.client.port',
  },
];
