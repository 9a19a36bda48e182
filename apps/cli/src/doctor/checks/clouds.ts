import type { Socket } from 'node:net';
import {
  type CloudConnection,
  type CloudFault,
  cloudConnection,
  cloudConnections,
  dialCloud,
  explainCloudFault,
  type HostAndPort,
  serverTimeOver,
} from '@sallyport/cloud';
import { needsRenewal } from '@sallyport/identity';
import { type BridgeDescription, mqttBridgeRoutes, Problem } from '@sallyport/protocol';
import { type Certificate, hasEnded, verifySignedBy } from '@sallyport/x509';
import { commandWordsOf } from '../../connect/chosen-connection.js';
import { Failure } from '../../failure.js';
import { readPemFile } from '../../site/pem-file.js';
import { type Check, error, type Finding, warning } from '../check.js';
import type { CheckedSite } from '../checked-site.js';

/** Longer than a cloud takes to say what it thinks of a certificate. */
const verdictMs = 1_500;
const deadlines = { connectMs: 8_000, handshakeMs: 8_000 };
/** A token or certificate that is made now must not look as if it were of the future. */
const largestDifferenceMs = 2 * 60_000;

/** The clouds this device is connected to: settings, certificate, network, and whether the bridge knows them. */
export const clouds: Check = {
  id: 'clouds',
  title: 'connections to clouds',
  run: async (checked) => {
    const { settings } = checked.site;
    const names = cloudConnections(settings);
    const bridges = await runningBridges(checked);
    const findings = await Promise.all(names.map((name) => inspect(checked, name, bridges)));
    return [...findings.flat(), ...strangers(checked, names, bridges)];
  },
};

/** One cloud, and what the running bridges say. */
interface Inspected {
  readonly checked: CheckedSite;
  readonly connection: CloudConnection;
  readonly bridge: BridgeDescription | undefined;
}

async function inspect(
  checked: CheckedSite,
  name: string,
  bridges: readonly BridgeDescription[] | undefined,
): Promise<Finding[]> {
  const connection = await connectionOf(checked, name);
  if ('severity' in connection) return [connection];
  const bridge = bridges?.find((one) => one.name === connection.name);
  const inspected = { checked, connection, bridge };
  const isUnknown = bridges !== undefined && bridge === undefined;
  return [
    ...(await certificateFindings(inspected)),
    ...(isUnknown ? [error(`${name} is in cloud.connections, and no bridge runs for it.`, again(inspected))] : []),
    ...bridgeFindings(inspected),
    ...(await reached(inspected)),
  ];
}

async function connectionOf(checked: CheckedSite, name: string): Promise<CloudConnection | Finding> {
  try {
    return await cloudConnection(checked.site.settings, name);
  } catch (fault) {
    if (!(fault instanceof Problem)) throw fault;
    return error(
      `${name}: ${fault.message}`,
      commandIn(checked, fault.message) ?? checked.remedies.run('config', 'list'),
    );
  }
}

/** Undefined when the bridge does not run; the check of services tells that. */
async function runningBridges({ services }: CheckedSite): Promise<readonly BridgeDescription[] | undefined> {
  const service = services.find((state) => state.service === 'mqtt-bridge');
  if (service?.isRunning !== true) return undefined;
  try {
    return (await service.client.call(mqttBridgeRoutes.list)).bridges;
  } catch (fault) {
    if (fault instanceof Problem || fault instanceof Failure) return undefined;
    throw fault;
  }
}

function strangers(
  { remedies }: CheckedSite,
  names: readonly string[],
  bridges: readonly BridgeDescription[] = [],
): Finding[] {
  return bridges
    .filter(({ name }) => !names.includes(name))
    .map(({ name }) =>
      error(
        `A bridge to ${name} runs, and cloud.connections does not name it.`,
        remedies.run('disconnect', ...commandWordsOf(name)),
      ),
    );
}

function bridgeFindings({ checked, connection, bridge }: Inspected): Finding[] {
  if (bridge === undefined) return [];
  const { remedies } = checked;
  if (bridge.state === 'faulty')
    return [
      error(
        `${connection.name}: the bridge cannot work: ${bridge.fault ?? 'its log says why'}`,
        inspectRules(checked, connection),
      ),
    ];
  if (bridge.state !== 'down' || bridge.local.isConnected) return [];
  // While the cloud is away, the bridge does not even try the local broker.
  if (bridge.local.fault === undefined && !bridge.remote.isConnected) return [];
  const reason = bridge.local.fault ?? 'its log says why';
  return [
    error(`${connection.name}: the bridge has no connection to the local broker: ${reason}`, remedies.run('status')),
  ];
}

function inspectRules({ remedies }: CheckedSite, { name }: CloudConnection): string {
  return remedies.run('bridge', 'inspect', ...commandWordsOf(name));
}

/** Name and dates of the certificate; whether key and roots are usable is found by dialling. */
async function certificateFindings({ checked, connection }: Inspected): Promise<Finding[]> {
  if (connection.identity === undefined) return [];
  const [leaf] = (await readPemFile(connection.identity.certPath)).certificates;
  if (leaf === undefined) return [];
  const [commonName = ''] = leaf.subject.commonNames;
  const { deviceId, settingNames } = connection;
  const name =
    commonName === deviceId
      ? []
      : [
          error(
            `${connection.name}: the device id is ${deviceId} (${settingNames.deviceId}), and the certificate at ${connection.identity.certPath} is for ${commonName}. The cloud refuses one with the name of another.`,
            typed(checked, connection.commandToSet('deviceId', commonName)),
          ),
        ];
  return [...name, ...dateFindings({ checked, connection }, leaf)];
}

function dateFindings(
  { checked, connection }: Pick<Inspected, 'checked' | 'connection'>,
  leaf: Certificate,
): Finding[] {
  const now = checked.context.now();
  const path = connection.identity?.certPath ?? '';
  const until = leaf.notAfter.toISOString();
  const renewal = renewalOf(checked, connection, leaf);
  if (hasEnded(leaf, now)) return [error(`${connection.name}: ${path} expired ${until}.`, renewal)];
  return needsRenewal(leaf, now) ? [warning(`${connection.name}: ${path} expires ${until}.`, renewal)] : [];
}

/** A self-signed certificate renews itself; what the cloud or the site issued is asked for, while it is still valid. */
function renewalOf(checked: CheckedSite, connection: CloudConnection, leaf: Certificate): string {
  const { remedies } = checked;
  const cloud = commandWordsOf(connection.name);
  const reconnect = remedies.run('reconnect', ...cloud);
  if (verifySignedBy(leaf, leaf)) {
    const upload = connection.kind === 'c8y' ? [remedies.run('cert', 'upload', ...cloud)] : [];
    return remedies.all(remedies.run('cert', 'renew', ...cloud, '--ca', 'self-signed'), ...upload, reconnect);
  }
  if (!hasEnded(leaf, checked.context.now())) return remedies.all(remedies.run('cert', 'renew', ...cloud), reconnect);
  return remedies.all(remedies.run('cert', 'download', ...cloud), reconnect);
}

/** A bridge that is up has proved the way to the broker, and a second session would end its own. */
async function reached(inspected: Inspected): Promise<Finding[]> {
  const { connection, bridge } = inspected;
  const broker = bridge?.remote.isConnected === true ? undefined : await brokerFault(inspected);
  const { http } = connection;
  const api = http === undefined ? [] : await apiFindings(inspected, http);
  // One cause of both is told once.
  const isTold = api.some(({ what }) => what === broker?.what);
  return [...(broker === undefined || isTold ? [] : [broker]), ...api];
}

async function brokerFault(inspected: Inspected): Promise<Finding | undefined> {
  const { checked, connection } = inspected;
  try {
    const { signal } = checked.context;
    const socket = await dialCloud(connection, { endpoint: 'mqtt', signal, deadlines });
    const refusal = await verdictOf(socket);
    return refusal === undefined ? undefined : await findingOf(inspected, refusal);
  } catch (fault) {
    return findingOf(inspected, fault);
  }
}

/** With TLS 1.3 a server refuses a certificate after the handshake. Nothing is sent, so no session is begun. */
function verdictOf(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => end(undefined), verdictMs);
    const end = (refusal: unknown): void => {
      clearTimeout(timer);
      resolve(refusal);
      socket.destroy();
    };
    socket.on('error', end);
    socket.once('close', () => end(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
    socket.resume();
  });
}

async function apiFindings(inspected: Inspected, api: HostAndPort): Promise<Finding[]> {
  const { checked, connection } = inspected;
  try {
    const { signal } = checked.context;
    const socket = await dialCloud(connection, { endpoint: 'http', alpn: ['http/1.1'], signal, deadlines });
    const there = await serverTimeOver(socket, api);
    const differenceMs = there === undefined ? 0 : checked.context.now().getTime() - there.getTime();
    if (Math.abs(differenceMs) <= largestDifferenceMs) return [];
    const [minutes, way] = [Math.round(Math.abs(differenceMs) / 60_000), differenceMs > 0 ? 'ahead of' : 'behind'];
    return [
      warning(
        `${connection.name}: the clock of this machine is ${minutes} minutes ${way} that of the cloud.`,
        'timedatectl set-ntp true',
      ),
    ];
  } catch (fault) {
    return [await findingOf(inspected, fault)];
  }
}

async function findingOf(inspected: Inspected, fault: unknown): Promise<Finding> {
  const { checked, connection } = inspected;
  checked.context.signal.throwIfAborted();
  const explained = await explainCloudFault(fault, connection, { now: checked.context.now(), mayProbe: true });
  const command = commandFor(inspected, explained) ?? commandIn(checked, explained.advice);
  const advice = command === undefined ? ` ${explained.advice}` : '';
  return error(`${connection.name}: ${explained.what}${advice}`, command ?? again(inspected));
}

/** The repair where the advice in words has several ways, or none with a command. */
function commandFor({ checked, connection }: Inspected, { code }: CloudFault): string | undefined {
  const { remedies, site } = checked;
  switch (code) {
    case 'server-certificate-expired':
    case 'server-certificate-not-yet-valid':
    case 'device-certificate-not-yet-valid':
      return 'timedatectl set-ntp true';
    case 'proxy-unreachable':
      return remedies.set('proxy.address', 'HOST:PORT');
    case 'proxy-credentials':
      return remedies.all(remedies.set('proxy.username', 'USER'), remedies.set('proxy.password', 'PASSWORD'));
    case 'port-blocked':
      // The usual way out of a network that lets nothing through but its proxy.
      return site.settings.get('proxy.address') === undefined ? remedies.set('proxy.address', 'HOST:PORT') : undefined;
    case 'device-certificate-unknown':
    case 'handshake-refused':
      return trustCommand(checked, connection);
    default:
      return undefined;
  }
}

function trustCommand({ remedies }: CheckedSite, connection: CloudConnection): string | undefined {
  return connection.kind === 'c8y' && connection.identity !== undefined
    ? remedies.run('cert', 'upload', ...commandWordsOf(connection.name))
    : undefined;
}

function again({ checked, connection }: Pick<Inspected, 'checked' | 'connection'>): string {
  return checked.remedies.run('reconnect', ...commandWordsOf(connection.name));
}

/** The first command of an advice, as the user has to type it. */
function commandIn(checked: CheckedSite, advice: string): string | undefined {
  const [command] = /\btedge [a-z](?:[^.,;'\n]|'[^']*'|\.(?=\S))*/.exec(advice) ?? [];
  return command === undefined ? undefined : typed(checked, command.trim());
}

function typed({ remedies }: CheckedSite, command: string): string {
  return command.replace(/^tedge(?= )/, remedies.run());
}
