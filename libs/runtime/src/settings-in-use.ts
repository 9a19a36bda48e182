import { isDeepStrictEqual } from 'node:util';
import { type ConfigKey, cloudOf, nameOf, type Settings } from '@sallyport/config';

// These are read again at each use, so a change needs no restart.
const readAtUse: ReadonlySet<ConfigKey> = new Set<ConfigKey>(['pki.url']);

// A reload reads these again for the levels of the listeners, but the files of the service stay where they were at the
// start.
const fixedAtStart: ReadonlySet<ConfigKey> = new Set<ConfigKey>(['data.path', 'state.path']);

interface ReadSetting {
  readonly key: ConfigKey;
  /** Undefined for a key of no cloud, and outside of profiles. */
  readonly profile: string | undefined;
  readonly value: unknown;
}

/** Remembers which settings a service has read. After a reload it says for which of them the service has an old value. */
export class SettingsInUse {
  /** By the name with dots, which has the profile in it. */
  private readonly lastRead = new Map<string, ReadSetting>();
  /** The settings as they were given to `follow`, by what it returned. */
  private readonly followed = new WeakMap<Settings, Settings>();

  /** For settings that are only looked at: what is read from them does not count here. */
  copy(): SettingsInUse {
    const copy = new SettingsInUse();
    for (const [name, read] of this.lastRead) copy.lastRead.set(name, read);
    return copy;
  }

  /** Returns the same settings. Each value that is read from them is remembered. */
  follow(settings: Settings): Settings {
    return this.followed.has(settings) ? settings : this.followAs(undefined, settings);
  }

  private followAs(profile: string | undefined, settings: Settings): Settings {
    const note = (key: ConfigKey, value: unknown) => this.note({ key, profile, value });
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
      ofProfile: (other) => this.followAs(other, settings.ofProfile(other)),
      profilesOf: (cloud) => settings.profilesOf(cloud),
    };
    this.followed.set(following, settings);
    return following;
  }

  private note({ key, profile: ofView, value }: ReadSetting): void {
    const profile = cloudOf(key) === undefined ? undefined : ofView;
    const name = nameOf({ key, ...(profile === undefined ? {} : { profile }) });
    if (fixedAtStart.has(key) && this.lastRead.has(name)) return;
    this.lastRead.set(name, { key, profile, value });
  }

  /** Names of the settings that had another value when the service last read them, sorted. */
  outdatedBy(settings: Settings): string[] {
    // Comparing a value here must not count as reading it.
    const unfollowed = this.followed.get(settings) ?? settings;
    const profiles = new Set([...this.lastRead.values()].map(({ profile }) => profile));
    return [...profiles].flatMap((profile) => this.outdatedIn(profile, unfollowed.ofProfile(profile))).toSorted();
  }

  private outdatedIn(profile: string | undefined, settings: Settings): string[] {
    return [...this.lastRead]
      .filter(([, read]) => read.profile === profile && !readAtUse.has(read.key) && isOutdated(read, settings))
      .map(([name]) => name);
  }
}

function isOutdated({ key, profile, value }: ReadSetting, settings: Settings): boolean {
  // A service that serves each profile has nothing to read where a profile is gone.
  if (profile !== undefined && !settings.profilesOf(cloudOf(key) ?? '').includes(profile)) return false;
  return !isDeepStrictEqual(settings.get(key), value);
}
