import { isDeepStrictEqual } from 'node:util';
import type { ConfigKey, Settings } from '@sallyport/config';

// Read again at each use, so that a change needs no restart.
const readAtUse: ReadonlySet<ConfigKey> = new Set<ConfigKey>(['pki.url']);

/** Remembers what a service has read of its settings. After a reload it tells what the service still has an old value of. */
export class SettingsInUse {
  private readonly lastRead = new Map<ConfigKey, unknown>();
  /** What is followed, by what follows it. */
  private readonly followed = new WeakMap<Settings, Settings>();

  /** The same settings; what is read of them is remembered. */
  follow(settings: Settings): Settings {
    if (this.followed.has(settings)) return settings;
    const note = (key: ConfigKey, value: unknown) => void this.lastRead.set(key, value);
    const following: Settings = {
      directory: settings.directory,
      get stateDirectory() {
        note('state.path', settings.stateDirectory);
        return settings.stateDirectory;
      },
      get dataDirectory() {
        note('data.path', settings.dataDirectory);
        return settings.dataDirectory;
      },
      get: (key) => {
        const value = settings.get(key);
        note(key, value);
        return value;
      },
      require: (key) => {
        const value = settings.require(key);
        note(key, value);
        return value;
      },
      source: (key) => settings.source(key),
    };
    this.followed.set(following, settings);
    return following;
  }

  /** Keys whose value was another one when it was last read, sorted. */
  outdatedBy(settings: Settings): ConfigKey[] {
    // To look at a value here is not to use it.
    const unfollowed = this.followed.get(settings) ?? settings;
    const changed = [...this.lastRead].filter(([key, value]) => !isDeepStrictEqual(unfollowed.get(key), value));
    return changed
      .map(([key]) => key)
      .filter((key) => !readAtUse.has(key))
      .toSorted();
  }
}
