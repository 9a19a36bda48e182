import type { EntranceDescription } from '@sallyport/protocol';
import { isLoopback } from '../../mosquitto/findings.js';
import { mayBeAbsent } from '../../site/service-state.js';
import { siteFaults } from '../../site/site-faults.js';
import { readSiteParts } from '../../site/site-parts.js';
import { type Check, error, type Finding, type Part } from '../check.js';
import type { CheckedSite } from '../checked-site.js';

/** Every service runs and has what it needs. */
export const services: Check = {
  id: 'services',
  title: 'services',
  run: async (checked) => {
    const { services: states, remedies, site, trustFault } = checked;
    if (states.some(({ isRunning }) => isRunning)) {
      const findings = [...lostBroker(checked), ...states.flatMap((state) => stateFindings(checked, state))];
      if (trustFault === undefined) return findings;
      return [
        ...findings,
        error(`pki-signer does not tell the CAs of this site: ${trustFault}`, remedies.startServices()),
      ];
    }
    const faults = siteFaults(await readSiteParts(site.settings));
    if (faults.length > 0)
      return [error(`No service can start: ${faults.join(' ')}`, wayOut(remedies), { breaks: ['start'] })];
    return [
      error(`No service runs on ${site.settings.directory}.`, remedies.startServices(), {
        breaks: states.map(({ service }) => `service ${service}` as const),
        needs: ['start', 'disk', 'store'],
      }),
    ];
  },
};

/** Restoring the backup is best; this tells what to run when there is none. */
function wayOut(remedies: CheckedSite['remedies']): string {
  return `restore the backup, or without one: ${remedies.run('site', 'refound')}`;
}

/** Services that start again do not bring back the broker behind them, so it is told once, and not of each of them. */
function lostBroker(checked: CheckedSite): Finding[] {
  const behind = brokerBehind(checked);
  const waiting = checked.services.filter(
    (state) => state.isRunning && Object.keys(state.faults).some((dependency) => isOfBroker(dependency)),
  );
  if (behind === undefined || waiting.length === 0) return [];
  const names = waiting.map(({ service }) => service).join(', ');
  return [
    error(`The MQTT broker at ${behind.place} does not answer. These services wait for it: ${names}.`, behind.fix, {
      breaks: ['broker'],
    }),
  ];
}

/** The broker that all services share in another process, and how to start it; undefined when none is set. */
function brokerBehind({ remedies, site: { settings } }: CheckedSite): { place: string; fix: string } | undefined {
  const [url, socket] = [settings.get('mqtt.broker.url'), settings.get('mqtt.broker.socket')];
  if (url !== undefined) {
    const start = isOnThisMachine(url) ? 'systemctl restart mosquitto' : 'start the broker on its machine';
    const fix = `${start}, or if it is elsewhere: ${remedies.set('mqtt.broker.url', 'URL')}`;
    return { place: `${url} (mqtt.broker.url)`, fix };
  }
  return socket === undefined
    ? undefined
    : { place: `${socket} (mqtt.broker.socket)`, fix: remedies.startService('mqtt-broker') };
}

function isOfBroker(dependency: string): boolean {
  return dependency === 'mqtt' || dependency === 'rpc';
}

function isOnThisMachine(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'unix:' || isLoopback(hostname);
}

function neededFor(dependency: string): Part[] {
  return isOfBroker(dependency) ? ['broker', 'service mqtt-broker', 'listener mqtt'] : [];
}

function stateFindings(checked: CheckedSite, state: CheckedSite['services'][number]): Finding[] {
  const { remedies } = checked;
  const isBrokerTold = brokerBehind(checked) !== undefined;
  if (state.isRunning)
    return Object.entries(state.faults)
      .filter(([dependency]) => !isToldByListeners(state.entrances, dependency))
      .filter(([dependency]) => !(isBrokerTold && isOfBroker(dependency)))
      .map(([dependency, fault]) =>
        error(
          `${state.service} is not ready: ${dependency} ${fault.replace(/\.$/, '')}.`,
          // A service that has lost its store refuses to start again.
          dependency === 'site' ? wayOut(remedies) : remedies.startServices(),
          { breaks: [`service ${state.service}`], needs: ['disk', 'store', ...neededFor(dependency)] },
        ),
      );
  if (mayBeAbsent(state, checked.site.settings)) return [];
  return [
    error(state.reason, remedies.startServices(), { breaks: [`service ${state.service}`], needs: ['disk', 'store'] }),
  ];
}

/** Another check tells of an entrance that stays shut, and how to open it. */
function isToldByListeners(entrances: readonly EntranceDescription[], dependency: string): boolean {
  return entrances.some(({ group, shutReason }) => shutReason !== undefined && dependency === `entrance ${group}`);
}
