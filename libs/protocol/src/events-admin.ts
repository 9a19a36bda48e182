import { z } from 'zod';
import type { AdminRoute } from './admin-route.js';
import { connectorName } from './connector-settings.js';
import { deviceEvent, deviceEventId, deviceEventType, timelineService } from './device-events.js';
import { deviceId } from './ids.js';

export const timelineQuery = z.strictObject({
  /** Only older events: the id of the last one on the page before. */
  before: deviceEventId.optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});
export type TimelineQuery = z.infer<typeof timelineQuery>;

export const timelinePage = z.strictObject({
  /** Newest first, of all services that answered. */
  events: z.array(deviceEvent),
  /** Value of `before` for the next page. Only an empty page is the last, and has none. */
  before: deviceEventId.optional(),
  /** Services that did not answer, so their events are missing. */
  missing: z.array(timelineService),
});
export type TimelinePage = z.infer<typeof timelinePage>;

export const eventStreamQuery = z.strictObject({
  device: deviceId.optional(),
  connector: connectorName.optional(),
  type: deviceEventType.optional(),
});
export type EventStreamQuery = z.infer<typeof eventStreamQuery>;

export const webhookName = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/, 'is not 1 to 40 lower-case letters, digits or "-"')
  .brand('WebhookName');
export type WebhookName = z.infer<typeof webhookName>;

export const webhookChange = z.strictObject({
  /** Its origin must be in the setting `registry.webhook.origins`. */
  url: z.url({ protocol: /^https?$/ }).max(1024),
  /** Which events; all when absent. */
  types: z.array(deviceEventType).min(1).max(deviceEventType.options.length).exactOptional(),
  /** Only events of devices of this connector. */
  connector: connectorName.exactOptional(),
});
export type WebhookChange = z.infer<typeof webhookChange>;

export const webhook = webhookChange.extend({
  name: webhookName,
  createdAt: z.iso.datetime(),
});
export type Webhook = z.infer<typeof webhook>;

export const webhookDescription = webhook.extend({
  /** Events that wait to be delivered; at most 1000 are counted. */
  waiting: z.number().int().min(0),
  /** Why the last delivery of this process failed; absent when it did not. */
  fault: z.string().optional(),
});
export type WebhookDescription = z.infer<typeof webhookDescription>;

export const webhookList = z.strictObject({ webhooks: z.array(webhookDescription) });
export type WebhookList = z.infer<typeof webhookList>;

/** The events of devices in the admin API of the registry. */
export const eventRoutes = {
  showTimeline: {
    method: 'GET',
    path: '/v1/devices/:id/timeline',
    summary: 'Shows what happened to a device, at every service, newest first.',
    parameters: { id: deviceId },
    query: timelineQuery,
    response: timelinePage,
  },
  streamEvents: {
    method: 'GET',
    path: '/v1/events',
    summary:
      'Streams events as they happen (server-sent events). With Last-Event-ID it first sends those that came after it, as far as they are kept.',
    query: eventStreamQuery,
    response: z.string(),
    textType: 'text/event-stream',
  },
  listWebhooks: {
    method: 'GET',
    // The query of an address may hold a secret of the receiver.
    role: 'admin',
    path: '/v1/webhooks',
    summary: 'Lists webhooks, and how much waits for each.',
    response: webhookList,
  },
  setWebhook: {
    method: 'POST',
    path: '/v1/webhooks/:name',
    summary: 'Makes a webhook, or changes one. Events from now on are sent to it.',
    parameters: { name: webhookName },
    request: webhookChange,
    response: webhookDescription,
  },
  removeWebhook: {
    method: 'DELETE',
    path: '/v1/webhooks/:name',
    summary: 'Removes a webhook, and what waits for it.',
    parameters: { name: webhookName },
  },
} as const satisfies Record<string, AdminRoute>;
