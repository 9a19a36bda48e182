import { type ClientCa, type ConnectorDescription, connectorRoutes, defaultConnector } from '@sallyport/protocol';
import { hasEnded } from '@sallyport/x509';
import { type Check, error, type Finding, note, warning } from '../check.js';
import { type CheckedSite, isRunning } from '../checked-site.js';

const day = 86_400_000;
// A manufacturer has to make a new CA, and devices may need new certificates.
const earlyWarningMs = 30 * day;

/** Devices of manufacturers get in: there are Client CAs, they have not ended, and no change was forgotten. */
export const connectors: Check = {
  id: 'connectors',
  title: 'connectors and their Client CAs',
  run: async (checked) => {
    const registry = checked.services.find(({ service }) => service === 'device-registry');
    if (registry?.isRunning !== true || !isRunning(checked, 'connector')) return [];
    const findings: Finding[] = [];
    const { connectors: all } = await registry.client.call(connectorRoutes.listConnectors);
    for (const { name } of all) {
      const connector = await registry.client.call(connectorRoutes.showConnector, { params: { name } });
      findings.push(...connectorFindings(checked, connector));
    }
    return findings;
  },
};

function connectorFindings(checked: CheckedSite, { document, drafts }: ConnectorDescription): Finding[] {
  const { name, settings, clientCas } = document;
  const run = (...words: readonly string[]) =>
    checked.remedies.run(...words, ...(name === defaultConnector ? [] : ['--connector', name]));
  const admitting = clientCas.filter(({ login }) => login);
  const addCa = run('client-ca', 'add', 'FILE');
  const noCa = `Connector "${name}" has PKI switched on and no Client CA whose devices may log in.`;
  return [
    ...(settings.pki.enabled && admitting.length === 0 ? [warning(noCa, addCa)] : []),
    ...admitting.flatMap((ca) => endFindings(checked, ca, addCa)),
    ...drafts.map(({ actor, changedAt }) =>
      note(
        `Changes of connector "${name}" that ${actor} made until ${changedAt} are not saved, so they are not in force.`,
        run('connector', 'diff'),
      ),
    ),
  ];
}

function endFindings({ context }: CheckedSite, ca: ClientCa, fix: string): Finding[] {
  const now = context.now();
  const [notAfter = ''] = [...ca.certificates.map((certificate) => certificate.notAfter), ca.existingUntil ?? '']
    .toSorted()
    .toReversed();
  if (hasEnded({ notAfter }, now))
    return [error(`Client CA "${ca.label}" ended ${notAfter}. Its devices are refused.`, fix)];
  if (Date.parse(notAfter) - now.getTime() > earlyWarningMs) return [];
  return [warning(`Client CA "${ca.label}" ends ${notAfter}. All its devices are refused from then on.`, fix)];
}
