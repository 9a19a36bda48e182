import { type EntranceDescription, isReplaceable } from '@sallyport/protocol';
import { siteFaults } from '../../site/site-faults.js';
import { readSiteParts } from '../../site/site-parts.js';
import { type Check, error, type Finding } from '../check.js';
import type { CheckedSite } from '../checked-site.js';

/** Every service runs and has what it needs. */
export const services: Check = {
  id: 'services',
  title: 'services',
  run: async (checked) => {
    const { services: states, remedies, site, trustFault } = checked;
    if (states.some(({ isRunning }) => isRunning)) {
      const findings = states.flatMap((state) => stateFindings(checked, state));
      if (trustFault === undefined) return findings;
      return [
        ...findings,
        error(`pki-signer does not tell the CAs of this site: ${trustFault}`, remedies.startServices()),
      ];
    }
    const faults = siteFaults(await readSiteParts(site.settings));
    if (faults.length > 0) return [error(`No service can start: ${faults.join(' ')}`, wayOut(remedies))];
    return [error(`No service runs on ${site.settings.directory}.`, remedies.startServices())];
  },
};

/** Restoring the backup is best; this tells what to run when there is none. */
function wayOut(remedies: CheckedSite['remedies']): string {
  return `restore the backup, or without one: ${remedies.run('site', 'refound')}`;
}

function stateFindings({ remedies }: CheckedSite, state: CheckedSite['services'][number]): Finding[] {
  if (state.isRunning)
    return Object.entries(state.faults)
      .filter(([dependency]) => !isToldByListeners(state.entrances, dependency))
      .map(([dependency, fault]) =>
        error(
          `${state.service} is not ready: ${dependency} ${fault.replace(/\.$/, '')}.`,
          // A service that has lost its store refuses to start again.
          dependency === 'site' ? wayOut(remedies) : remedies.startServices(),
        ),
      );
  // Another MQTT broker has no admin API of ours.
  if (isReplaceable(state.service) && state.code === 'ENOENT') return [];
  return [error(state.reason, remedies.startServices())];
}

/** Another check tells of an entrance that stays shut, and how to open it. */
function isToldByListeners(entrances: readonly EntranceDescription[], dependency: string): boolean {
  return entrances.some(({ group, shutReason }) => shutReason !== undefined && dependency === `entrance ${group}`);
}
