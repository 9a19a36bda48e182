import { isDeepStrictEqual } from 'node:util';
import type { ConfigKey, Settings } from '@sallyport/config';

// These are read again at each use, so a change needs no restart.
const readAtUse: ReadonlySet<ConfigKey> = new Set<ConfigKey>(['pki.url']);

// A reload reads these again for the levels of the listeners, but the files of the service stay where they were at the
// start.
const fixedAtStart: ReadonlySet<ConfigKey> = new Set<ConfigKey>(['data.path', 'state.path']);

/** Remembers which settings a service has read. After a reload it says for which of them the service has an old value. */
export class SettingsInUse {
  private readonly lastRead = new Map<ConfigKey, unknown>();
  /** The settings as they were given to `follow`, by what it returned. */
  private readonly followed = new WeakMap<Settings, Settings>();

  /** Returns the same settings. Each value that is read from them is remembered. */
  follow(settings: Settings): Settings {
    if (this.followed.has(settings)) return settings;
    const note = (key: ConfigKey, value: unknown) => this.note(key, value);
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
      // A service that serves several profiles reads all their values again at each reload.
      ofProfile: (profile) => settings.ofProfile(profile),
      profilesOf: (cloud) => settings.profilesOf(cloud),
    };
    this.followed.set(following, settings);
    return following;
  }

  private note(key: ConfigKey, value: unknown): void {
    if (fixedAtStart.has(key) && this.lastRead.has(key)) return;
    this.lastRead.set(key, value);
  }

  /** Keys that had another value when the service last read them, sorted. */
  outdatedBy(settings: Settings): ConfigKey[] {
    // Comparing a value here must not count as reading it.
    const unfollowed = this.followed.get(settings) ?? settings;
    const changed = [...this.lastRead].filter(([key, value]) => !isDeepStrictEqual(unfollowed.get(key), value));
    return changed
      .map(([key]) => key)
      .filter((key) => !readAtUse.has(key))
      .toSorted();
  }
}
