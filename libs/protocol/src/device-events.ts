import { z } from 'zod';
import { connectorName } from './connector-settings.js';
import { deviceId, fingerprint } from './ids.js';
import { defineRpc, rpcTopic } from './rpc.js';

/** First levels of the topics with the events of devices. Only services publish there. */
export const deviceEventRoot = 'sallyport/events';

/**
 * What can happen to a device.
 *
 * - `provisioned`: registered at its first contact; it comes before every other event of the device.
 * - `connect`, `disconnect`: a session with the device began, or ended.
 * - `data_in`: the device wrote values. `data_out`: a value was set for the device. `content_in`: it fetched a content.
 * - `approval_requested`, `approved`: it waits for an administrator, or was let in by one.
 * - `locked`, `unlocked`, `revoked`, `reinstated`, `retired`: its state changed.
 * - `expired`: it is on the allow list, and did not come within its window.
 * - `deleted`, `released`: its record was removed; its name may be used again.
 * - `certificate_added`, `certificate_expiring`: of one of its certificates.
 * - `identity_conflict`: somebody else came with its name, and was refused.
 * - `owner_changed`: somebody became its owner, or it has none any more.
 */
export const deviceEventType = z.enum([
  'provisioned',
  'connect',
  'disconnect',
  'data_in',
  'data_out',
  'content_in',
  'approval_requested',
  'approved',
  'locked',
  'unlocked',
  'revoked',
  'reinstated',
  'retired',
  'expired',
  'deleted',
  'released',
  'certificate_added',
  'certificate_expiring',
  'identity_conflict',
  'owner_changed',
]);
export type DeviceEventType = z.infer<typeof deviceEventType>;

/**
 * Names one event for ever, so a receiver drops duplicates by it. Begins with the microseconds of the event, 16
 * hexadecimal digits, so ids in the order of their characters are in the order of time.
 */
export const deviceEventId = z
  .string()
  .regex(/^[0-9a-f]{16}-[0-9a-f]{16}$/, 'is not the id of an event')
  .brand('DeviceEventId');
export type DeviceEventId = z.infer<typeof deviceEventId>;

/** A UTC time in ISO 8601 with six digits of a second. */
export const microsTime = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/, 'is not a UTC time with microseconds');

/** One event of a device, as it is on MQTT, in a webhook, in the event stream and in the timeline. */
export const deviceEvent = z.strictObject({
  id: deviceEventId,
  type: deviceEventType,
  device: deviceId,
  /** Absent: the device belongs to the site, and not to a connector. */
  connector: connectorName.optional(),
  /** ISO 8601, UTC, six digits of a second. Strictly increasing in each service for each device. */
  at: microsTime,
  /** How the device was connected, if it was. */
  protocol: z.enum(['https', 'mqtt', 'coap']).optional(),
  /** Its network address, if it was connected. */
  address: z.string().min(1).max(64).optional(),
  /** Of the certificate the event is about, or which the device showed. */
  fingerprint: fingerprint.optional(),
  /** Who did it, if somebody did: `admin:alice`. */
  actor: z.string().min(1).max(256).optional(),
  /** More, by type. `data_in` and `data_out`: `{ values: { temperature: "50" } }`, numbers and booleans as text too. */
  payload: z.record(z.string().max(128), z.json()).optional(),
});
export type DeviceEvent = z.infer<typeof deviceEvent>;

/** An event before it has its id and, unless it is given, its time. */
export interface NewDeviceEvent extends Omit<DeviceEvent, 'id' | 'at'> {
  /** Microseconds since 1970; now, if absent. */
  readonly atMicros?: number;
}

/** The topic of an event: `sallyport/events/<connector or "site">/<device>`. QoS 1, not retained. */
export function deviceEventTopic({ connector, device }: Pick<DeviceEvent, 'connector' | 'device'>): string {
  return `${deviceEventRoot}/${connector ?? 'site'}/${device}`;
}

/**
 * The id of an event.
 *
 * @param atMicros microseconds since 1970
 * @param unique 16 hexadecimal digits: random, or derived from what the event is about when it must be the same each time
 */
export function deviceEventIdOf(atMicros: number, unique: string): DeviceEventId {
  return deviceEventId.parse(`${atMicros.toString(16).padStart(16, '0')}-${unique}`);
}

/** Microseconds since 1970 as ISO 8601 with six digits of a second. */
export function isoMicros(micros: number): string {
  const milliseconds = Math.floor(micros / 1000);
  const rest = String(micros - milliseconds * 1000).padStart(3, '0');
  return `${new Date(milliseconds).toISOString().slice(0, -1)}${rest}Z`;
}

/** The microseconds since 1970 of a time in ISO 8601. */
export function microsOf(iso: string): number {
  const [whole = '', fraction = ''] = iso.slice(0, -1).split('.');
  return Date.parse(`${whole}Z`) * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}

/** Services besides the registry that know events of devices. */
export const timelineService = z.enum(['connector', 'coap-gateway']);
export type TimelineService = z.infer<typeof timelineService>;

export const timelineQuestion = z.strictObject({
  deviceId,
  /** Only events with a smaller id, which are older. */
  before: deviceEventId.optional(),
  limit: z.number().int().min(1).max(200),
});
export type TimelineQuestion = z.infer<typeof timelineQuestion>;

/** Newest first. Fewer than the limit may come; only if none come, there are none. */
export const timelineAnswer = z.strictObject({ events: z.array(deviceEvent).max(200) });
export type TimelineAnswer = z.infer<typeof timelineAnswer>;

/** Asks a service for the events of a device it knows; none if it does not know the device. */
export function readTimeline(service: TimelineService) {
  return defineRpc({
    pattern: rpcTopic(service, 'read-timeline'),
    request: timelineQuestion,
    response: timelineAnswer,
  });
}
