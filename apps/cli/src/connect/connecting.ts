import { join } from 'node:path';
import { type CloudConnection, cloudConnection, cloudConnections } from '@sallyport/cloud';
import type { Settings } from '@sallyport/config';
import { exists } from '@sallyport/files';
import { clientPlace } from '@sallyport/runtime/mqtt-client';
import type { CliContext } from '../cli-context.js';
import { describeFault, Failure } from '../failure.js';
import type { Site } from '../site/site.js';
import { commandLineOf } from './chosen-connection.js';
import { type Reloaded, reloadServices } from './cloud-services.js';
import type { CloudSteps } from './cloud-step.js';
import { cloudTitle, settingLines } from './cloud-words.js';
import { checkConnection } from './connection-check.js';
import { requireDistinct } from './connection-clashes.js';
import { addConnection, isConnected, removeConnection, requireListInFile } from './connection-list.js';
import { introduceDevice } from './device-registration.js';
import { hasWaiting, tryWaiting, type WaitingOutcome } from './waiting-certificate.js';

/** What is connected, and how. */
export interface Connecting {
  readonly site: Site;
  readonly name: string;
  readonly steps: CloudSteps;
  /** Only writes the settings and tells the services: nothing is dialled, and nothing checked. */
  readonly isOffline: boolean;
  /** Disconnects before. A failure then puts the former connection back. */
  readonly isReconnect: boolean;
}

/** `rejected`: connected, but the cloud does not take the renewed certificate. */
export type ConnectOutcome = 'connected' | 'rejected';

/**
 * Connects this device to a cloud, and checks that it works. If a step fails, the settings are as before.
 *
 * @throws Failure: what failed, in words, and what to do
 * @throws Problem: a setting is missing or wrong
 */
export async function connectCloud(connecting: Connecting): Promise<ConnectOutcome> {
  const { site, name, steps, isOffline, isReconnect } = connecting;
  const connection = await cloudConnection(site.settings, name);
  showSettings(connecting, connection);
  await requireFree(connecting, connection);
  const wasConnected = isConnected(site.settings, name);
  let isChanged = false;
  try {
    // The cloud knows a device by its id, and would end the session of the bridge.
    if (isReconnect && wasConnected) {
      isChanged = true;
      await disconnectCloud(site, name, steps);
    }
    const isRejected = isOffline
      ? await noteWaiting(connection, steps)
      : await tryRenewed(site.context, connection, steps);
    if (!isOffline) await introduce(site, connection, steps);
    isChanged = true;
    await steps.run('Saving the connection', () => addConnection(site, name));
    const reloaded = await startServices(connecting);
    if (!isOffline) await checkRunning(connecting, connection, reloaded);
    return isRejected ? 'rejected' : 'connected';
  } catch (fault) {
    if (isChanged && !isOffline) await takeBack(connecting, wasConnected);
    throw fault;
  }
}

function showSettings({ site, steps, isReconnect }: Connecting, connection: CloudConnection): void {
  const title = `${isReconnect ? 'Reconnecting' : 'Connecting'} to ${cloudTitle(connection)} with config:`;
  steps.tell([title, ...settingLines(connection, clientPlace(site.settings).url)]);
}

/** @throws Failure: it is connected already, or another connection is in its way */
async function requireFree({ site, name, isReconnect }: Connecting, connection: CloudConnection): Promise<void> {
  const { settings } = site;
  requireListInFile(settings);
  if (isConnected(settings, name) && !isReconnect)
    throw new Failure(
      `This device is connected to ${cloudTitle(connection)} already.`,
      `To put changed settings in force: tedge reconnect ${commandLineOf(name)}. To end it: tedge disconnect ${commandLineOf(name)}`,
    );
  await requireNoOtherBridge(settings, connection);
  const names = cloudConnections(settings).filter((other) => other !== name);
  const others = await Promise.allSettled(names.map((other) => cloudConnection(settings, other)));
  // One with faulty settings connects nowhere, so it is in nobody's way.
  const usable = others.flatMap((other) => (other.status === 'fulfilled' ? [other.value] : []));
  requireDistinct(connection, usable, settings);
}

/**
 * thin-edge.io marks a connection by a file. Its bridge and ours have one client id at the cloud.
 *
 * @throws Failure: thin-edge.io is connected to this cloud too
 */
async function requireNoOtherBridge({ directory }: Settings, connection: CloudConnection): Promise<void> {
  const marker = join(directory, 'mosquitto-conf', `${connection.name}-bridge.conf`);
  if (!(await exists(marker))) return;
  throw new Failure(
    `thin-edge.io is connected to ${cloudTitle(connection)} too (${marker}), and both would end each other's session again and again.`,
    'End its connection with its own command "disconnect". If the file is still there then, remove it.',
  );
}

/** @returns whether the cloud has rejected a renewed certificate */
async function tryRenewed(context: CliContext, connection: CloudConnection, steps: CloudSteps): Promise<boolean> {
  if (!(await hasWaiting(connection))) return false;
  const outcome = await steps.run('Trying the renewed certificate', () => tryWaiting(context, connection));
  if (outcome.kind === 'promoted')
    steps.note('Putting the renewed certificate in force', 'done', `the former one is kept as ${outcome.formerPath}`);
  if (outcome.kind === 'none' || outcome.kind === 'promoted') return false;
  context.log.warn(refusedText(outcome, connection));
  return true;
}

type RefusedOutcome = Extract<WaitingOutcome, { readonly kind: 'rejected' | 'unusable' }>;

function refusedText({ kind, path, reason }: RefusedOutcome, { profile, ...connection }: CloudConnection): string {
  const stays = 'so the present one stays in force';
  if (kind === 'rejected')
    return `The cloud does not take the renewed certificate ${path}, ${stays}. ${reason.message} ${reason.remedy}`;
  const cloud = connection.kind === 'custom' ? '' : ` ${connection.kind}`;
  const option = profile === undefined ? '' : ` --profile ${profile}`;
  return `The renewed certificate ${path} cannot be used, ${stays}. ${reason.message} Make it again: tedge cert renew${cloud}${option}`;
}

async function noteWaiting(connection: CloudConnection, steps: CloudSteps): Promise<boolean> {
  if (await hasWaiting(connection))
    steps.note('Trying the renewed certificate', 'skipped', 'it waits until the next connect without --offline');
  return false;
}

function introduce({ context, settings }: Site, connection: CloudConnection, steps: CloudSteps): Promise<void> {
  const isCumulocity = connection.kind === 'c8y';
  const step = isCumulocity
    ? 'Creating device in Cumulocity cloud'
    : `Connecting to ${cloudTitle(connection)} directly`;
  return steps.run(step, () => introduceDevice(context, connection, settings.require('device.type')));
}

/** @throws Failure: a service refuses the settings */
async function startServices({ site, name, steps }: Connecting): Promise<Reloaded> {
  const reloaded = await steps.run('Telling the services', () => reloadServices(site, name));
  for (const service of reloaded.absent)
    steps.note(`Starting the connection in ${service}`, 'skipped', 'it does not run, and connects when it starts');
  return reloaded;
}

async function checkRunning(
  { site, name, steps }: Connecting,
  connection: CloudConnection,
  { running }: Reloaded,
): Promise<void> {
  if (running.includes('mqtt-bridge')) return checkConnection(site, connection, steps);
  throw new Failure(
    'The service mqtt-bridge does not run, so the connection cannot be checked.',
    `Start the services (npm start) and run the command again. Or connect without a check: tedge connect ${commandLineOf(name)} --offline`,
  );
}

/** Leaves the settings as they were. What fails here is told, and the first fault stays the one that counts. */
async function takeBack({ site, name, steps }: Connecting, wasConnected: boolean): Promise<void> {
  try {
    if (wasConnected) await addConnection(site, name);
    else await removeConnection(site, name);
    await reloadServices(uninterrupted(site), name);
    steps.note('Saving the connection', 'taken back');
  } catch (fault) {
    site.context.log.warn(`cloud.connections could not be set back: ${describeFault(fault)?.what ?? String(fault)}`);
  }
}

/** The services are told also after Ctrl-C. */
function uninterrupted(site: Site): Site {
  return { ...site, client: async (service) => (await site.client(service)).uninterrupted() };
}

/** Ends a connection: removes it from the settings, and tells the services. */
export async function disconnectCloud(site: Site, name: string, steps: CloudSteps): Promise<void> {
  await steps.run('Removing the connection', () => removeConnection(site, name));
  const { absent } = await steps.run('Telling the services', () => reloadServices(site, name));
  for (const service of absent) steps.note(`Ending the connection in ${service}`, 'skipped', 'it does not run');
}
