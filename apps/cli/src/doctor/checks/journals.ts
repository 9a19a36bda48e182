import { join } from 'node:path';
import { quoted } from '@sallyport/config';
import { journalRoutes, type ServiceName } from '@sallyport/protocol';
import { type Check, type Finding, warning } from '../check.js';
import type { CheckedSite } from '../checked-site.js';

/** Services that keep a journal outside the store. */
const withJournal = ['device-registry', 'pki-signer'] as const satisfies readonly ServiceName[];

/** No service has found an older copy of its store that nobody has acknowledged, and every journal can be written. */
export const journals: Check = {
  id: 'journals',
  title: 'journals',
  run: async (checked) => (await Promise.all(withJournal.map((service) => inspect(checked, service)))).flat(),
};

async function inspect({ services, remedies, site }: CheckedSite, service: ServiceName): Promise<Finding[]> {
  const state = services.find((each) => each.service === service);
  if (state?.isRunning !== true) return [];
  const { olderCopy, fault } = await state.client.call(journalRoutes.show);
  const findings: Finding[] = [];
  if (olderCopy !== undefined) {
    const { foundAt, rowsInStore, rowsInJournal, changesBroughtBack } = olderCopy;
    const missing = rowsInJournal - olderCopy.rowsBroughtBack - rowsInStore;
    const rest = missing > 0 ? ` ${missing} rows of its audit log are lost.` : '';
    const what = `The store of ${service} was an older copy (found ${foundAt}): ${changesBroughtBack} changes that it had forgotten were brought back from the journal, and what was refused stays refused.${rest}`;
    findings.push(warning(what, remedies.run('audit', 'acknowledge')));
  }
  if (fault !== undefined)
    findings.push(
      warning(
        `${service} cannot write its journal, so an older copy of the store would forget what happens now: ${fault}.`,
        `chmod -R u+rwX ${quoted(join(site.settings.stateDirectory, 'journal'))}`,
        { needs: ['disk'] },
      ),
    );
  return findings;
}
