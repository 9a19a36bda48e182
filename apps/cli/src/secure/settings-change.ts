import type { ConfigFile } from '@sallyport/config';
import type { PathKey } from '../site/secured-group.js';

/** What a setting becomes; undefined means unset. */
export interface Wish {
  readonly key: PathKey;
  readonly value: string | undefined;
}

/** Settings that are changed together and can be put back together. */
export class SettingsChange {
  private readonly former: Wish[] = [];

  constructor(
    private readonly file: ConfigFile,
    private readonly wishes: readonly Wish[],
  ) {}

  /** Writes what differs; returns the settings that changed. */
  async apply(): Promise<PathKey[]> {
    for (const { key, value } of this.wishes) {
      const { value: former } = await this.file.get({ key });
      if (former === value) continue;
      // Before the write: a write that fails half-way is taken back too.
      this.former.unshift({ key, value: former });
      await this.write(key, value);
    }
    return this.former.map(({ key }) => key);
  }

  /** Puts back what `apply` changed, in the opposite order. */
  async takeBack(): Promise<void> {
    for (const { key, value } of this.former.splice(0)) await this.write(key, value);
  }

  private write(key: PathKey, value: string | undefined): Promise<void> {
    return value === undefined ? this.file.unset({ key }) : this.file.set({ key }, value);
  }
}
