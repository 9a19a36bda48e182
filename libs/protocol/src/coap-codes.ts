import { z } from 'zod';
import type { AdminRoute } from './admin-route.js';
import { deviceId } from './ids.js';
import { deviceOwner } from './ownership.js';

/** Whom the device is to belong to after its sign-up. */
export const authorizationCodeRequest = z.strictObject({ owner: deviceOwner.default('site') });

/** A code for one sign-up of one device. This is the only time it is shown: the gateway keeps its digest. */
export const authorizationCode = z.strictObject({
  deviceId,
  owner: deviceOwner,
  code: z.string().min(1).max(64),
  /** What the device names as `authprovider`. */
  provider: z.string().min(1).max(64),
  expiresAt: z.iso.datetime(),
});
export type AuthorizationCode = z.infer<typeof authorizationCode>;

/** The admin API of the authorization codes of this site, at the CoAP gateway. */
export const coapCodeRoutes = {
  createCode: {
    method: 'POST',
    path: '/api/v1/devices/:id/authorization-codes',
    summary: 'Makes a code with which a device signs up, once and soon.',
    parameters: { id: deviceId },
    request: authorizationCodeRequest,
    response: authorizationCode,
    status: 201,
  },
} as const satisfies Record<string, AdminRoute>;
