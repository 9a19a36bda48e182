import { type EntranceLevel, EntranceLevels, isLower, offeredProfiles, type Settings } from '@sallyport/config';
import { type EntranceGroup, type EntranceName, entranceName, type SecurityLevel } from '@sallyport/protocol';
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
    const { settings } = this.site;
    for (const name of this.groups.flatMap(({ group }) => namesOf(settings, group))) {
      const levels = new EntranceLevels(settings, name);
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

function namesOf(settings: Settings, group: EntranceGroup): EntranceName[] {
  return offeredProfiles(settings, group).map((profile) => entranceName({ group, profile }));
}
