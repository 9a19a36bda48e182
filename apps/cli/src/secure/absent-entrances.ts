import { type EntranceLevel, EntranceLevels, isLower } from '@sallyport/config';
import type { SecurityLevel } from '@sallyport/protocol';
import type { SecuredGroup } from '../site/secured-group.js';
import type { Site } from '../site/site.js';

/**
 * Entrances whose service does not run now. A service never opens an entrance below the level it last had. So when an
 * administrator lowers the level meanwhile, it has to be written down for the next start.
 */
export class AbsentEntrances {
  private readonly lowered: { readonly levels: EntranceLevels; readonly former: EntranceLevel }[] = [];

  constructor(
    private readonly site: Site,
    private readonly groups: readonly SecuredGroup[],
  ) {}

  /** @throws Problem `forbidden` or `storage-full`: the level cannot be written down */
  async lowerTo(level: SecurityLevel): Promise<void> {
    const inForceAt = this.site.context.now().toISOString();
    for (const { group } of this.groups) {
      const levels = new EntranceLevels(this.site.settings, group);
      const former = await levels.read();
      if (former === undefined || !isLower(level, former.level)) continue;
      this.lowered.push({ levels, former });
      await levels.write({ level, inForceAt });
    }
  }

  /** Puts back what `lowerTo` changed. */
  async takeBack(): Promise<void> {
    for (const { levels, former } of this.lowered) await levels.write(former);
  }
}
