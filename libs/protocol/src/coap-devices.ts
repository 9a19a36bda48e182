import { z } from 'zod';
import type { AdminRoute } from './admin-route.js';
import { deviceId } from './ids.js';
import { deviceOwner } from './ownership.js';
import { pageCursor, pageLimit } from './registry-admin.js';

/** A device that has signed in at the CoAP gateway, now or before. */
export const coapDevice = z.strictObject({
  deviceId,
  isOnline: z.boolean(),
  /** Who owns it now; without it, nobody does. */
  owner: deviceOwner.optional(),
  /** Of its last connection. */
  remoteAddress: z.string().max(64),
  /** Names its last connection. */
  connectionId: z.string().max(64),
  /** When it signed in last. */
  connectedAt: z.iso.datetime(),
  /** When that session ended. */
  offlineAt: z.iso.datetime().optional(),
});
export type CoapDevice = z.infer<typeof coapDevice>;

export const coapDeviceQuery = z.strictObject({ cursor: pageCursor.optional(), limit: pageLimit });

/** By name. */
export const coapDeviceList = z.strictObject({ devices: z.array(coapDevice), cursor: z.string().optional() });
export type CoapDeviceList = z.infer<typeof coapDeviceList>;

/** The admin API of the devices at the CoAP gateway: the same answer from every replica. */
export const coapDeviceRoutes = {
  listCoapDevices: {
    method: 'GET',
    path: '/v1/coap/devices',
    summary: 'Lists the devices that have signed in at the CoAP gateway, and whether they are online.',
    query: coapDeviceQuery,
    response: coapDeviceList,
  },
  showCoapDevice: {
    method: 'GET',
    path: '/v1/coap/devices/:id',
    summary: 'Shows whether a device is online at the CoAP gateway.',
    parameters: { id: deviceId },
    response: coapDevice,
  },
} as const satisfies Record<string, AdminRoute>;
