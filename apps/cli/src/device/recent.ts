import type { AdminClient } from '@sallyport/admin-client';
import {
  coapDeviceRoutes,
  coapResourceRoutes,
  type DeviceId,
  ocfUuidOf,
  Problem,
  valueRoutes,
} from '@sallyport/protocol';
import { resourceTable } from '../coap/resources.js';
import { Failure } from '../failure.js';
import { readTimeline, timelineLines } from './timeline.js';
import { valueLines } from './values.js';

/** Who may know more of a device than its record: a site may run without a connector, or without a CoAP gateway. */
export interface Witnesses {
  readonly registry: AdminClient;
  readonly connector: AdminClient | undefined;
  readonly gateway: AdminClient | undefined;
}

const mostEvents = 10;

/** What a device reported last, and what happened to it; nothing of a service that does not answer. */
export async function recentSections({ registry, connector, gateway }: Witnesses, id: DeviceId) {
  const atGateway = ocfUuidOf(id) === undefined ? undefined : gateway;
  const coap = await ifAnswered(async () => atGateway && coapLine(atGateway, id));
  const resources = await ifAnswered(async () => atGateway?.call(coapResourceRoutes.listResources, { params: { id } }));
  const values = await ifAnswered(async () => connector?.call(valueRoutes.showValues, { params: { id } }));
  const timeline = await ifAnswered(() => readTimeline(registry, id, mostEvents));
  return {
    coap: coap === undefined ? [] : [coap],
    resources: resources === undefined || resources.resources.length === 0 ? [] : resourceTable(resources),
    values: values === undefined || values.values.length === 0 ? [] : valueLines(values),
    timeline: timeline === undefined || timeline.events.length === 0 ? [] : timelineLines(timeline),
  };
}

async function coapLine(gateway: AdminClient, id: DeviceId): Promise<string> {
  const { isOnline, connectedAt, offlineAt, remoteAddress } = await gateway.call(coapDeviceRoutes.showCoapDevice, {
    params: { id },
  });
  if (isOnline) return `online since ${connectedAt}, from ${remoteAddress}`;
  return `offline since ${offlineAt ?? connectedAt}, last from ${remoteAddress}`;
}

async function ifAnswered<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await ask();
  } catch (fault) {
    if (fault instanceof Problem || fault instanceof Failure) return undefined;
    throw fault;
  }
}
