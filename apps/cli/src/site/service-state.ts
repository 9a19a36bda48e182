import { hostname } from 'node:os';
import type { AdminClient } from '@sallyport/admin-client';
import type { Settings } from '@sallyport/config';
import {
  type EntranceDescription,
  entranceRoutes,
  hasEntrances,
  healthRoutes,
  isForClouds,
  isOptional,
  isReplaceable,
  type ServiceName,
  serviceName,
  statePlaces,
} from '@sallyport/protocol';
import { ServiceUnreachable } from '../admin/service-unreachable.js';
import { exists } from '../cert/device-files.js';
import { describeFault } from '../failure.js';
import { isLoopback } from '../mosquitto/findings.js';
import type { Site } from './site.js';

/** The state of a service, from its admin API; or why that does not answer. */
export type ServiceState =
  | {
      readonly service: ServiceName;
      readonly isRunning: true;
      readonly client: AdminClient;
      /** What it needs and does not have, by dependency; empty when it is ready. */
      readonly faults: Readonly<Record<string, string>>;
      readonly entrances: readonly EntranceDescription[];
    }
  | {
      readonly service: ServiceName;
      readonly isRunning: false;
      /** Error code of the socket; ENOENT when the service never ran, or stopped normally. */
      readonly code: string;
      readonly reason: string;
      /** The site spreads over several machines, and nothing shows that this service ever ran on this one. */
      readonly isElsewhere: boolean;
    };

/** Asks every service for its state. */
export function serviceStates(site: Site): Promise<ServiceState[]> {
  return Promise.all(serviceName.options.map((service) => stateOf(site, service)));
}

async function stateOf(site: Site, service: ServiceName): Promise<ServiceState> {
  const client = await site.client(service);
  try {
    const { faults } = await client.call(healthRoutes.readiness);
    const { entrances } = hasEntrances(service) ? await client.call(entranceRoutes.list) : { entrances: [] };
    return { service, isRunning: true, client, faults, entrances };
  } catch (fault) {
    const code = fault instanceof ServiceUnreachable ? fault.code : '';
    const isElsewhere = code === 'ENOENT' && isSpread(site.settings) && !(await hasTraces(site.settings, service));
    return { service, isRunning: false, code, reason: describeFault(fault)?.what ?? String(fault), isElsewhere };
  }
}

/** Broker or store of the site are on another machine, so services may be too. */
function isSpread(settings: Settings): boolean {
  const urls = [settings.get('mqtt.broker.url'), settings.get('store.url'), settings.get('pki.url')];
  return urls.some((url) => url !== undefined && isOfAnotherMachine(url));
}

function isOfAnotherMachine(url: string): boolean {
  const { protocol, hostname: host } = new URL(url);
  return protocol !== 'unix:' && !isLoopback(host) && host !== hostname().toLowerCase();
}

/** What a service keeps for itself, whatever its level. */
async function hasTraces({ stateDirectory }: Settings, service: ServiceName): Promise<boolean> {
  const places = statePlaces(stateDirectory);
  const traces = [places.folderOf(service), places.markerOf(service), places.auditKeyOf(service)];
  return (await Promise.all(traces.map(exists))).includes(true);
}

type AbsentService = Extract<ServiceState, { readonly isRunning: false }>;

/** Whether a site may do without a service that does not run: nobody needs it, or another program replaces it. */
export function mayBeAbsent(state: AbsentService, settings: Settings): boolean {
  const { code, service } = state;
  const isReplaced = code === 'ENOENT' && isReplaceable(service);
  return state.isElsewhere || isReplaced || isLeftOut(state) || isUnneeded(state, settings);
}

/** Whether a service that a site may do without does not run on this machine. */
export function isLeftOut({ service, code }: AbsentService): boolean {
  return code === 'ENOENT' && isOptional(service);
}

/** Whether a service that does not run would have nothing to do, because the site is connected to no cloud. */
export function isUnneeded({ service, code }: AbsentService, settings: Settings): boolean {
  return code === 'ENOENT' && isForClouds(service) && settings.require('cloud.connections').length === 0;
}
