import type { AdminClient } from '@sallyport/admin-client';
import { type DeviceId, Problem, valueRoutes } from '@sallyport/protocol';
import { Failure } from '../failure.js';
import { readTimeline, timelineLines } from './timeline.js';
import { valueLines } from './values.js';

/** Who may know more of a device than its record: a site may run without a connector. */
export interface Witnesses {
  readonly registry: AdminClient;
  readonly connector: AdminClient | undefined;
}

const mostEvents = 10;

/** What a device reported last, and what happened to it; nothing of a service that does not answer. */
export async function recentSections({ registry, connector }: Witnesses, id: DeviceId) {
  const values = await ifAnswered(async () => connector?.call(valueRoutes.showValues, { params: { id } }));
  const timeline = await ifAnswered(() => readTimeline(registry, id, mostEvents));
  return {
    values: values === undefined || values.values.length === 0 ? [] : valueLines(values),
    timeline: timeline === undefined || timeline.events.length === 0 ? [] : timelineLines(timeline),
  };
}

async function ifAnswered<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await ask();
  } catch (fault) {
    if (fault instanceof Problem || fault instanceof Failure) return undefined;
    throw fault;
  }
}
