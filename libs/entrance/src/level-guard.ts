import { type EntranceLevel, EntranceLevels, isLower } from '@sallyport/config';
import { entranceName, type SecurityLevel } from '@sallyport/protocol';
import type { ServiceContext } from '@sallyport/runtime';
import type { SecuritySource } from './security-source.js';

/** Why an entrance does not open, and the level it had before. */
export interface Objection {
  readonly reason: string;
  /** The reason in a few words, as the state of the entrance. */
  readonly state: string;
  readonly formerLevel: SecurityLevel;
}

/**
 * Holds an entrance to the level it last had. Lost settings must not open it to everybody: a configuration
 * that another program rewrote, or that was half restored, looks like one that was never secured.
 *
 * Does nothing for an entrance whose level does not follow from settings.
 */
export class LevelGuard {
  constructor(
    private readonly context: ServiceContext,
    private readonly source: SecuritySource,
  ) {}

  /**
   * Why the entrance must not open at a level; undefined when it may.
   *
   * @param lowerTo the level an administrator has asked for, if any did.
   */
  async objection(level: SecurityLevel, lowerTo?: SecurityLevel): Promise<Objection | undefined> {
    const former = await this.read();
    if (former === undefined || !isLower(level, former.level)) return undefined;
    if (lowerTo !== undefined && !isLower(level, lowerTo)) return undefined;
    return { ...this.describe(former, level), formerLevel: former.level };
  }

  /**
   * Puts a level in force, and writes it down. A lower level is written before, so that a crash in between does not
   * shut the entrance. A higher level is written after, when it is in force.
   *
   * @throws Problem `forbidden` or `storage-full`: a lower level cannot be written down, so it did not come about.
   */
  async during(level: SecurityLevel, putInForce: () => Promise<void>): Promise<void> {
    const former = await this.read();
    const isLowered = former !== undefined && isLower(level, former.level);
    if (isLowered) await this.write(level);
    try {
      await putInForce();
    } catch (error) {
      // The caller must hear why it failed, not that this failed too.
      if (isLowered) await this.levels.write(former).catch((fault: unknown) => this.warn(fault));
      throw error;
    }
    // Write nothing for an entrance that was never above plain.
    if (!isLowered && (former !== undefined || level !== 'plain')) await this.writeIfPossible(level);
  }

  private async read(): Promise<EntranceLevel | undefined> {
    return this.source.missingFor === undefined ? undefined : this.levels.read();
  }

  private async write(level: SecurityLevel): Promise<void> {
    await this.levels.write({ level, inForceAt: this.context.clock.now().toISOString() });
  }

  /** Where nothing can be written, the entrance works, but it cannot be held to this level after a restart. */
  private async writeIfPossible(level: SecurityLevel): Promise<void> {
    if (this.source.missingFor === undefined) return;
    await this.write(level).catch((error: unknown) => this.warn(error));
  }

  private warn(error: unknown): void {
    this.context.log.warn({ error, entrance: entranceName(this.source) }, 'level of the entrance cannot be remembered');
  }

  // The data directory is a setting, which may change.
  private get levels(): EntranceLevels {
    return new EntranceLevels(this.context.settings, entranceName(this.source));
  }

  private describe(
    { level: formerLevel, inForceAt }: EntranceLevel,
    level: SecurityLevel,
  ): Omit<Objection, 'formerLevel'> {
    const { missingFor } = this.source;
    const missing = missingFor?.(formerLevel) ?? [];
    const since = inForceAt === undefined ? '' : `, last put in force ${inForceAt},`;
    const gone = missing.length === 0 ? '' : `: not set now: ${missing.join(', ')}`;
    const reason =
      `The listener "${entranceName(this.source)}" had level ${formerLevel}${since} and its settings amount to level ${level} now${gone}. ` +
      `It opens no lower than it was. Set them again, by hand or with: sallyport secure ${formerLevel}. ` +
      `To lower the level on purpose: sallyport secure ${level}`;
    return { reason, state: `is shut, since it had level ${formerLevel} and is set to ${level} now${gone}` };
  }
}
