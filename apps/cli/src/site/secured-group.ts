import { isEntranceOffered, offeredProfiles, type Settings, type TextKey } from '@sallyport/config';
import {
  type ConfiguredGroup,
  configuredGroups,
  type EntranceDefinition,
  entranceDefinition,
  entranceName,
  entrances,
} from '@sallyport/protocol';

/** An entrance whose security level the settings decide, with its row of the table. */
export interface SecuredGroup extends EntranceDefinition {
  readonly group: ConfiguredGroup;
  readonly keys: SecurityKeys;
}

export interface SecurityKeys {
  readonly cert: PathKey;
  readonly key: PathKey;
  readonly ca: PathKey;
}

/** Settings that hold the path of a certificate, a key or CAs. */
export type PathKey = Extract<TextKey, `${string}_path` | `${string}_file` | `${string}_dir`>;

/** In the order in which they change their level. */
export const securedGroups: readonly SecuredGroup[] = configuredGroups.map(securedGroup);

/** Those that the settings of a site ask for. */
export function offeredGroups(settings: Settings): SecuredGroup[] {
  return securedGroups.filter(({ group }) => isEntranceOffered(settings, group));
}

/** What steps call an entrance: its service, and its name too where the service has several. */
export function stepName({ service, group }: SecuredGroup, settings: Settings, profile?: string): string {
  const ofService = offeredGroups(settings).filter((other) => other.service === service);
  const count = ofService.flatMap((other) => offeredProfiles(settings, other.group)).length;
  return count <= 1 ? service : `${service} (${entranceName({ group, profile })})`;
}

export function securedGroup(group: ConfiguredGroup): SecuredGroup {
  return { ...entranceDefinition(group), group, keys: entrances[group].keys };
}
