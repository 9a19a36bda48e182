import { type EntranceGroup, entrances } from '@sallyport/protocol';
import type { Settings } from './settings.js';

/** True when the settings ask for an entrance: it has a port, and is not shut by a setting of its own. */
export function isEntranceOffered(settings: Settings, group: EntranceGroup): boolean {
  const row = entrances[group];
  const isEnabled = 'enabledKey' in row ? settings.get(row.enabledKey) : true;
  return isEnabled && settings.get(`${group}.bind.port`) !== undefined;
}
