import type { AdminClient } from '@sallyport/admin-client';
import type { Settings } from '@sallyport/config';
import {
  type BridgeDescription,
  type BrokerStatus,
  type ConnectorList,
  connectorRoutes,
  type EntranceDescription,
  mqttBridgeRoutes,
  mqttBrokerRoutes,
  Problem,
  registryRoutes,
  type ServiceName,
  signerRoutes,
} from '@sallyport/protocol';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { connectorTable } from '../connector/connectors.js';
import { ExitStatus, Failure } from '../failure.js';
import { globalOptions, optionsOf } from '../options.js';
import { labelledLines, tableLines, writeJson, writeLines } from '../output.js';
import { isLeftOut, isUnneeded, mayBeAbsent, type ServiceState, serviceStates } from '../site/service-state.js';
import { openSite, type Site } from '../site/site.js';

/** What the services of a site say about themselves. */
interface SiteStatus {
  readonly configDirectory: string;
  readonly services: readonly { readonly service: string; readonly state: string; readonly detail?: string }[];
  readonly listeners: readonly EntranceDescription[];
  /** What serves behind the MQTT listeners; absent when that is no broker of this site. */
  readonly broker?: BrokerStatus;
  /** One for each cloud this site is connected to; absent while their service does not run. */
  readonly bridges?: readonly BridgeDescription[];
  /** Absent while their service does not run. */
  readonly connectors?: ConnectorList['connectors'];
  readonly caFingerprint?: string;
  readonly devices?: Readonly<Record<string, number>>;
}

/** `status`: services, listeners, their levels. Exit code 1 when something does not run or is not ready. */
export function statusCommand(context: CliContext, program: Command): void {
  program
    .command('status')
    .description('show services, listeners and their security levels')
    .action(async (_options: unknown, command: Command) => {
      const given = optionsOf(command, globalOptions);
      const site = await openSite(context, given);
      const { status, isWell } = await siteStatus(site, await serviceStates(site));
      if (given.json) writeJson(context, status);
      else writeLines(context, statusLines(status));
      if (!isWell) throw new ExitStatus(1);
    });
}

function isInOrder(state: ServiceState, settings: Settings): boolean {
  return state.isRunning ? Object.keys(state.faults).length === 0 : mayBeAbsent(state, settings);
}

async function siteStatus({ settings }: Site, states: readonly ServiceState[]) {
  const hierarchy = await answerOf(states, 'pki-signer', (client) => client.call(signerRoutes.showHierarchy));
  const registry = await answerOf(hierarchy.states, 'device-registry', (client) =>
    client.call(registryRoutes.showStatus),
  );
  const broker = await answerOf(registry.states, 'mqtt-broker', (client) => client.call(mqttBrokerRoutes.status));
  const bridges = await answerOf(broker.states, 'mqtt-bridge', (client) => client.call(mqttBridgeRoutes.list));
  const connectors = await connectorsOf(bridges.states);
  const status: SiteStatus = {
    configDirectory: settings.directory,
    services: connectors.states.map((state) => serviceLine(state, settings)),
    listeners: states.flatMap((state) => (state.isRunning ? state.entrances : [])),
    ...(hierarchy.answer === undefined ? {} : { caFingerprint: hierarchy.answer.caFingerprint }),
    ...(registry.answer === undefined ? {} : { devices: registry.answer.devices }),
    ...(broker.answer === undefined ? {} : { broker: broker.answer }),
    ...(bridges.answer === undefined ? {} : bridges.answer),
    ...(connectors.answer === undefined ? {} : connectors.answer),
  };
  return { status, isWell: connectors.states.every((state) => isInOrder(state, settings)) };
}

/** The registry knows the connectors also where no service serves them, which need not be shown. */
function connectorsOf(states: readonly ServiceState[]) {
  const isServed = states.some(({ service, isRunning }) => service === 'connector' && isRunning);
  return answerOf(states, isServed ? 'device-registry' : 'connector', (client) =>
    client.call(connectorRoutes.listConnectors),
  );
}

/** Asks a service that runs. When it cannot answer, this is one more fault. */
async function answerOf<Answer>(
  states: readonly ServiceState[],
  service: ServiceName,
  ask: (client: AdminClient) => Promise<Answer>,
): Promise<{ answer?: Answer; states: readonly ServiceState[] }> {
  const state = states.find((candidate) => candidate.service === service);
  if (state?.isRunning !== true) return { states };
  try {
    return { answer: await ask(state.client), states };
  } catch (fault) {
    if (!(fault instanceof Problem || fault instanceof Failure)) throw fault;
    const faulty = { ...state, faults: { ...state.faults, 'admin API': `says: ${fault.message}` } };
    return { states: states.map((candidate) => (candidate === state ? faulty : candidate)) };
  }
}

/** What a service waits for. It is ready by itself as soon as this is back. */
const outside = new Set(['mqtt', 'rpc', 'store']);

function serviceLine(state: ServiceState, settings: Settings): SiteStatus['services'][number] {
  const { service } = state;
  if (!state.isRunning) {
    if (isUnneeded(state, settings)) return { service, state: 'not needed', detail: 'no cloud is connected' };
    if (isLeftOut(state)) return { service, state: 'not used', detail: 'a site may do without it' };
    if (state.isElsewhere) return { service, state: 'elsewhere', detail: 'it has never run on this machine' };
    return { service, state: 'down', detail: state.reason };
  }
  const faults = Object.entries(state.faults).map(([dependency, fault]) => `${dependency} ${fault}`);
  if (faults.length === 0) return { service, state: 'ready' };
  const isWaiting = Object.keys(state.faults).every((dependency) => outside.has(dependency));
  return { service, state: isWaiting ? 'waiting' : 'not ready', detail: faults.join('; ') };
}

function statusLines(status: SiteStatus): string[] {
  const {
    configDirectory,
    services,
    listeners,
    broker,
    bridges = [],
    connectors = [],
    caFingerprint,
    devices,
  } = status;
  const counts = Object.entries(devices ?? {}).map(([state, count]) => `${count} ${state}`);
  return [
    ...labelledLines([
      ['Configuration', configDirectory],
      ...(caFingerprint === undefined ? [] : ([['CA (SHA-256)', caFingerprint]] as const)),
      ...(counts.length === 0 ? [] : ([['Devices', counts.join(', ')]] as const)),
    ]),
    '',
    ...tableLines(
      ['SERVICE', 'STATE'],
      services.map(({ service, state, detail }) => [service, detail === undefined ? state : `${state}: ${detail}`]),
    ),
    ...(listeners.length === 0 ? [] : ['', ...listenerTable(listeners)]),
    ...(broker === undefined ? [] : ['', ...brokerTable(broker)]),
    ...(bridges.length === 0 ? [] : ['', ...bridgeTable(bridges)]),
    ...(connectors.length === 0 ? [] : ['', ...connectorTable({ connectors })]),
  ];
}

/** A cloud that is away is no fault of the site: the state tells it, and the exit code does not. */
function bridgeTable(bridges: readonly BridgeDescription[]): string[] {
  return tableLines(
    ['CLOUD', 'STATE', 'SINCE', 'FORWARDED', 'DROPPED', 'UNACKNOWLEDGED', 'OLDEST'],
    bridges.map((bridge) => {
      const { name, since, rules, inFlight, oldestUnackedMs } = bridge;
      const forwarded = rules.reduce((sum, rule) => sum + rule.forwarded, 0);
      const dropped = rules.flatMap((rule) => Object.values(rule.dropped)).reduce((sum, count) => sum + count, 0);
      const counts = [forwarded, dropped, inFlight.outbound + inFlight.inbound].map(String);
      return [name, bridgeStateOf(bridge), since, ...counts, `${oldestUnackedMs} ms`];
    }),
  );
}

function bridgeStateOf({ state, fault, local, remote }: BridgeDescription): string {
  const reason = fault ?? remote.fault ?? local.fault;
  return state === 'up' || reason === undefined ? state : `${state}: ${reason}`;
}

function brokerTable(broker: BrokerStatus): string[] {
  const { behind, url, isReachable, fault, sessions, opened, refusals, holds } = broker;
  const refused = Object.entries(refusals).map(([reason, count]) => `${reason} ${count}`);
  const state = isReachable ? 'answers' : `does not answer${fault === undefined ? '' : `: ${fault}`}`;
  const table = tableLines(
    ['MQTT BROKER', 'STATE', 'SESSIONS', 'SINCE ITS START', 'REFUSED CONNECTS'],
    [
      [
        behind === 'embedded' ? 'embedded' : (url ?? ''),
        state,
        String(sessions),
        String(opened),
        refused.join(', ') || '-',
      ],
    ],
  );
  return holds === undefined ? table : [...table, '', ...holdingsTable(holds)];
}

function holdingsTable(holds: NonNullable<BrokerStatus['holds']>): string[] {
  const { sessions, queuedBytes, retainedMessages, journalBytes } = holds;
  return tableLines(
    ['SESSIONS KEPT OR OPEN', 'QUEUED BYTES', 'RETAINED MESSAGES', 'JOURNAL BYTES'],
    [[sessions, queuedBytes, retainedMessages, journalBytes].map(String)],
  );
}

function listenerTable(listeners: readonly EntranceDescription[]): string[] {
  return tableLines(
    ['LISTENER', 'ADDRESS', 'LEVEL', 'CERTIFICATE UNTIL', 'SESSIONS'],
    listeners.map(({ name, host, port, level, isOpen, notAfter, sessions }) => [
      name,
      `${host.includes(':') ? `[${host}]` : host}:${port}`,
      isOpen ? level : 'closed',
      notAfter ?? '-',
      String(sessions),
    ]),
  );
}
