import type { ConfigFile, WantedSetting } from '@sallyport/config';
import type { PathKey } from '../site/secured-group.js';

/** The new value of a setting of the security level; undefined to unset it. */
export interface PathChange {
  readonly key: PathKey;
  readonly value: string | undefined;
}

/** Settings that are changed together and can be put back together. */
export class SettingsChange {
  private former: readonly WantedSetting[] = [];

  constructor(
    private readonly file: ConfigFile,
    private readonly changes: readonly PathChange[],
  ) {}

  /** Writes what differs, all at once; returns how many settings changed. */
  async apply(): Promise<number> {
    this.former = await this.file.exchange(this.changes.map(({ key, value }) => ({ reference: { key }, text: value })));
    return this.former.length;
  }

  /** Puts back what `apply` changed. */
  async takeBack(): Promise<void> {
    if (this.former.length > 0) await this.file.exchange(this.former);
  }
}
