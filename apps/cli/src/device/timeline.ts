import type { AdminClient } from '@sallyport/admin-client';
import { type DeviceEvent, type DeviceId, eventRoutes, type TimelinePage } from '@sallyport/protocol';
import type { Command } from 'commander';
import { z } from 'zod';
import { adminClientFor } from '../admin/admin-clients.js';
import { numberArgument } from '../argument.js';
import type { CliContext } from '../cli-context.js';
import { deviceIdArgument, globalOptions, openSettings, optionsOf } from '../options.js';
import { tableLines, writeJson, writeLines } from '../output.js';

const mostEvents = z.number().min(1).max(10_000);
const options = globalOptions.extend({ limit: mostEvents.default(50) });
const largestPage = 200;

/** `device timeline`: what happened to a device, over all services and protocols. */
export function timelineCommand(context: CliContext, parent: Command): void {
  parent
    .command('timeline')
    .description('show what happened to a device, over all protocols, newest first')
    .argument('<device>', 'name of the device', deviceIdArgument)
    .option('--limit <events>', 'how many (default: 50)', numberArgument(mostEvents))
    .action(async (deviceId: DeviceId, _options: unknown, command: Command) => {
      const given = optionsOf(command, options);
      const settings = await openSettings(context, given);
      const registry = await adminClientFor('device-registry', settings, { context, options: given });
      const timeline = await readTimeline(registry, deviceId, given.limit);
      if (given.json) writeJson(context, timeline);
      else writeLines(context, timelineLines(timeline));
    });
}

/** The newest events of a device, and the services whose events are missing. */
export type Timeline = Pick<TimelinePage, 'events' | 'missing'>;

/** Reads the timeline, page after page. */
export async function readTimeline(registry: AdminClient, id: DeviceId, limit: number): Promise<Timeline> {
  const events: DeviceEvent[] = [];
  let page: TimelinePage | undefined;
  do {
    const wanted = Math.min(largestPage, limit - events.length);
    const query = { limit: wanted, ...(page?.before === undefined ? {} : { before: page.before }) };
    page = await registry.call(eventRoutes.showTimeline, { params: { id }, query });
    events.push(...page.events);
  } while (page.before !== undefined && page.events.length > 0 && events.length < limit);
  return { events, missing: page.missing };
}

/** The timeline for people. */
export function timelineLines({ events, missing }: Timeline): string[] {
  return [
    ...(events.length === 0
      ? ['Nothing has happened.']
      : tableLines(['AT', 'EVENT', 'OVER', 'FROM', 'WHAT'], events.map(eventCells))),
    ...missing.map((service) => `What ${service} knows is missing: it did not answer.`),
  ];
}

function eventCells({ at, type, protocol, address, actor, payload }: DeviceEvent): string[] {
  const what = [...(actor === undefined ? [] : [`by ${actor}`]), ...payloadWords(payload)];
  return [at, type, protocol ?? '-', address ?? '-', what.join(', ')];
}

const valuesPayload = z.looseObject({ values: z.record(z.string(), z.string()) });

function payloadWords(payload: DeviceEvent['payload']): string[] {
  if (payload === undefined) return [];
  const values = valuesPayload.safeParse(payload);
  const shown = values.success ? values.data.values : payload;
  return Object.entries(shown).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
}
