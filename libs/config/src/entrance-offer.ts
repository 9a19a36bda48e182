import { type EntranceDefinition, type EntranceGroup, entranceDefinition, entrances } from '@sallyport/protocol';
import type { Settings } from './settings.js';

/** True when the settings ask for an entrance: it has a port, and is not shut by a setting of its own. */
export function isEntranceOffered(settings: Settings, group: EntranceGroup): boolean {
  return offeredProfiles(settings, group).length > 0;
}

/**
 * For which connections to a cloud the settings ask for an entrance, by their profile; undefined stands for the
 * connection outside of profiles, and for an entrance that has nothing to do with clouds.
 */
export function offeredProfiles(settings: Settings, group: EntranceGroup): (string | undefined)[] {
  const { cloud } = entranceDefinition(group);
  if (cloud !== undefined) return connectedProfiles(settings, cloud);
  const row = entrances[group];
  const isEnabled = 'enabledKey' in row ? settings.get(row.enabledKey) : true;
  return isEnabled && settings.get(`${group}.bind.port`) !== undefined ? [undefined] : [];
}

function connectedProfiles(
  settings: Settings,
  cloud: NonNullable<EntranceDefinition['cloud']>,
): (string | undefined)[] {
  const names = new Set(settings.require('cloud.connections'));
  return [...names].toSorted().flatMap((name) => {
    const [kind, profile] = name.split('@');
    return kind === cloud ? [profile] : [];
  });
}
