import { type Check, error, type Finding } from '../check.js';
import type { Patient } from '../patient.js';

/** Every service runs and has what it needs. */
export const services: Check = {
  id: 'services',
  title: 'services',
  run: async (patient) => {
    const { services: states, remedies, site, trustFault } = patient;
    if (states.some(({ isRunning }) => isRunning)) {
      const findings = states.flatMap((state) => stateFindings(patient, state));
      if (trustFault === undefined) return findings;
      return [
        ...findings,
        error(`pki-signer does not tell the CAs of this site: ${trustFault}`, remedies.startServices()),
      ];
    }
    return [error(`No service runs on ${site.settings.directory}.`, remedies.startServices())];
  },
};

function stateFindings({ remedies }: Patient, state: Patient['services'][number]): Finding[] {
  if (state.isRunning)
    return Object.entries(state.faults).map(([dependency, fault]) =>
      error(`${state.service} is not ready: ${dependency} ${fault}.`, remedies.startServices()),
    );
  // A broker of another make has no admin API.
  if (state.service === 'mqtt-broker' && state.code === 'ENOENT') return [];
  return [error(state.reason, remedies.startServices())];
}
