import { type ConfigKey, isConfigKey } from '@sallyport/config';
import {
  type EntranceGroup,
  entranceDefinition,
  entranceGroups,
  isMutualOnly,
  type ServiceName,
} from '@sallyport/protocol';

/** A listener on the network, and the settings that say where it is. */
export interface ListenerKeys {
  /** The entrance; absent for what is none. */
  readonly group?: EntranceGroup;
  /** Absent: every process opens it, whatever services run in it. */
  readonly service?: ServiceName;
  /** What passes through, in words. */
  readonly name: string;
  readonly addressKey: ConfigKey;
  readonly portKey: ConfigKey;
  /** Where clients of this device read the port. If both are equal, they are changed together. */
  readonly clientPortKey: ConfigKey | undefined;
  /** The address that others use. If it contains the same port, both are changed together. */
  readonly urlKey: ConfigKey | undefined;
  /** It opens only when all of these are set. */
  readonly needs: readonly ConfigKey[];
}

/** Every listener on the network. */
export const listenerKeys: readonly ListenerKeys[] = [
  ...entranceGroups.map(listenerKeysOf),
  {
    name: 'probes and metrics',
    addressKey: 'health.bind.address',
    portKey: 'health.bind.port',
    clientPortKey: undefined,
    urlKey: undefined,
    needs: ['health.bind.port'],
  },
];

function listenerKeysOf(group: EntranceGroup): ListenerKeys {
  const definition = entranceDefinition(group);
  const { service, name, defaultPort, clientPortKey, urlKey, keys } = definition;
  const portKey = `${group}.bind.port` as const;
  return {
    group,
    service,
    name,
    addressKey: `${group}.bind.address`,
    portKey,
    clientPortKey: clientPortKey === undefined ? undefined : configKey(clientPortKey),
    urlKey: urlKey === undefined ? undefined : configKey(urlKey),
    needs: [
      ...(defaultPort === undefined ? [portKey] : []),
      ...(isMutualOnly(definition) && keys !== undefined ? Object.values(keys).map(configKey) : []),
    ],
  };
}

function configKey(name: string): ConfigKey {
  if (isConfigKey(name)) return name;
  throw new Error(`the table of entrances names a setting that does not exist: ${name}`);
}
