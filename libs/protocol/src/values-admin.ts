import { z } from 'zod';
import type { AdminRoute } from './admin-route.js';
import { connectorName, resourceAlias } from './connector-settings.js';
import { microsTime } from './device-events.js';
import { deviceId } from './ids.js';

/** A value and its time, in ISO 8601 with microseconds. */
export const timedValue = z.strictObject({ value: z.string(), at: microsTime });
export type TimedValue = z.infer<typeof timedValue>;

/** What is known of one alias of a device. */
export const valueDescription = z.strictObject({
  alias: resourceAlias,
  /** The last value from the device. */
  reported: timedValue.optional(),
  /** The last value for the device. */
  desired: timedValue.optional(),
  /** False: the device has not written the alias since its value was set. */
  synced: z.boolean(),
});
export type ValueDescription = z.infer<typeof valueDescription>;

export const deviceValueList = z.strictObject({ values: z.array(valueDescription) });
export type DeviceValueList = z.infer<typeof deviceValueList>;

/** Values to set for a device. */
export const desiredValues = z.strictObject({
  /** The connector whose schema holds; absent: the one the device has written through last. */
  connector: connectorName.optional(),
  values: z.record(resourceAlias, z.string()),
});

/** The time that the set values have. */
export const valuesSet = z.strictObject({ at: microsTime });
export type ValuesSet = z.infer<typeof valuesSet>;

export const historyQuery = z.strictObject({
  alias: resourceAlias.optional(),
  from: microsTime.or(z.iso.datetime()).optional(),
  to: microsTime.or(z.iso.datetime()).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

export const valueHistory = z.strictObject({ points: z.array(timedValue.extend({ alias: resourceAlias })) });
export type ValueHistory = z.infer<typeof valueHistory>;

const parameters = { id: deviceId };

/** The admin API of the values of devices, at the connector. */
export const valueRoutes = {
  showValues: {
    method: 'GET',
    path: '/v1/devices/:id/values',
    summary: 'Shows the present values of a device: what it reported, and what is desired of it.',
    parameters,
    response: deviceValueList,
  },
  setValues: {
    method: 'PATCH',
    path: '/v1/devices/:id/values',
    summary: 'Sets values for a device. It gets them at once or when it connects, and acknowledges each by writing it.',
    role: 'operator',
    parameters,
    request: desiredValues,
    response: valuesSet,
  },
  readHistory: {
    method: 'GET',
    path: '/v1/devices/:id/history',
    summary: 'Reads what a device reported, newest first.',
    parameters,
    query: historyQuery,
    response: valueHistory,
  },
  forgetValues: {
    method: 'DELETE',
    role: 'admin',
    path: '/v1/devices/:id/values',
    summary: 'Removes every value of a device, and its history.',
    parameters,
  },
} as const satisfies Record<string, AdminRoute>;
