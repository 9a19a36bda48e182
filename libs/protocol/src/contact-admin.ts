import { z } from 'zod';
import type { AdminRoute } from './admin-route.js';
import { reasonText } from './device-record-parts.js';
import { deviceId, fingerprint } from './ids.js';

/** The certificate that a device will show next. */
export const expectedCertificateRequest = z.strictObject({ fingerprint, reason: reasonText.optional() });
export type ExpectedCertificateRequest = z.infer<typeof expectedCertificateRequest>;

/** Visible ASCII, so that it can stand in every protocol and on every keyboard. */
export const devicePassword = z
  .string()
  .min(20, 'is shorter than 20 characters')
  .max(128, 'is longer than 128 characters')
  .regex(/^[\x21-\x7e]*$/, 'holds a space, a control character or one outside ASCII');

export const devicePasswordRequest = z.strictObject({ password: devicePassword });

const parameters = { id: deviceId };

/** The admin API of what a device proves itself with, at the device registry. */
export const deviceCredentialRoutes = {
  expectCertificate: {
    method: 'POST',
    path: '/v1/devices/:id/expected-certificate',
    summary: 'Accepts the next certificate of a device before it comes, although the connector pins the present one.',
    parameters,
    request: expectedCertificateRequest,
  },
  setPassword: {
    method: 'POST',
    path: '/v1/devices/:id/password',
    summary: 'Gives a device of kind password another one, and ends its connections.',
    parameters,
    request: devicePasswordRequest,
  },
  reactivateDevice: {
    method: 'DELETE',
    path: '/v1/devices/:id/secret',
    summary: 'Takes the token or password of a device back and ends its connections. It may activate again.',
    role: 'operator',
    parameters,
  },
} as const satisfies Record<string, AdminRoute>;
