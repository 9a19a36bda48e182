import { parseCloudName } from '@sallyport/cloud';
import { pause } from '@sallyport/concurrency';
import { type BridgeDescription, entranceRoutes, mqttBridgeRoutes, type ServiceName } from '@sallyport/protocol';
import { ServiceUnreachable } from '../admin/service-unreachable.js';
import { Failure } from '../failure.js';
import type { Site } from '../site/site.js';

/** Which of the services for clouds were told to read the settings again. */
export interface Reloaded {
  readonly running: readonly ServiceName[];
  readonly absent: readonly ServiceName[];
}

const mostWaitMs = 60_000;
const pauseMs = 250;

/**
 * Makes the services for clouds read their settings again: the bridge, and for Cumulocity the proxy. One that does not run
 * reads them when it starts.
 *
 * @throws Failure: a service does not answer, or refuses the settings
 */
export async function reloadServices(site: Site, name: string): Promise<Reloaded> {
  const running: ServiceName[] = [];
  const absent: ServiceName[] = [];
  const note = async (service: ServiceName, reload: () => Promise<unknown>) => {
    (await isPresent(reload)) ? running.push(service) : absent.push(service);
  };
  const bridge = await site.client('mqtt-bridge');
  await note('mqtt-bridge', () => bridge.call(mqttBridgeRoutes.reload, { body: {} }));
  if (parseCloudName(name).kind !== 'c8y') return { running, absent };
  const proxy = await site.client('c8y-proxy');
  await note('c8y-proxy', () => proxy.call(entranceRoutes.reload, { body: {} }));
  return { running, absent };
}

/** The bridge of a connection; undefined when the service does not run, or has no such bridge. */
export async function bridgeOf(site: Site, name: string): Promise<BridgeDescription | undefined> {
  const client = await site.client('mqtt-bridge');
  let found: BridgeDescription | undefined;
  await isPresent(async () => {
    const { bridges } = await client.call(mqttBridgeRoutes.list);
    found = bridges.find((bridge) => bridge.name === name);
  });
  return found;
}

/**
 * Waits until the bridge has connected both of its sides. A replica that stands by is as good.
 *
 * @throws Failure: it does not within a minute, with its last fault, or its settings or rules cannot be used
 */
export async function waitForBridge(site: Site, name: string): Promise<void> {
  const { signal } = site.context;
  const giveUpAt = performance.now() + mostWaitMs;
  for (;;) {
    signal.throwIfAborted();
    const bridge = await bridgeOf(site, name);
    if (bridge?.state === 'up' || bridge?.state === 'standby') return;
    if (bridge?.state === 'faulty') throw new Failure(bridge.fault ?? `The bridge to ${name} cannot work.`, lookAtLog);
    if (performance.now() >= giveUpAt) throw notUp(name, bridge);
    await pause(pauseMs, { signal });
  }
}

const lookAtLog = 'Look at the log of the service mqtt-bridge (sallyport status shows its state).';

/** What keeps a bridge down, in words. */
export function notUp(name: string, bridge: BridgeDescription | undefined): Failure {
  if (bridge === undefined)
    return new Failure(
      `The service mqtt-bridge has no bridge to ${name}.`,
      'It may use other settings: name the configuration directory of the services (--config-dir), or restart them.',
    );
  const { local, remote } = bridge;
  if (!local.isConnected)
    return new Failure(
      `The bridge to ${name} is not connected to the local broker: ${local.fault ?? 'no reason is known'}`,
      'Check that the broker runs, and mqtt.client.host and mqtt.client.port.',
    );
  return new Failure(
    `The bridge to ${name} is not connected to the cloud: ${remote.fault ?? 'no reason is known'}`,
    lookAtLog,
  );
}

/** False when the service does not run. */
async function isPresent(call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call();
    return true;
  } catch (fault) {
    if (fault instanceof ServiceUnreachable && fault.isAbsent) return false;
    throw fault;
  }
}
