import { z } from 'zod';
import { deviceId } from './ids.js';
import { defineRpc, rpcTopic } from './rpc.js';

/** Who owns an OCF device: the value of the owner claim in the access tokens of that person. */
export const deviceOwner = z.string().min(1).max(256);

/**
 * Makes somebody the owner of a device. A device has one owner. To claim it again changes nothing. A device that the
 * registry does not know is registered. `too-many-new-devices`: of this owner, at the moment; it may try again.
 */
export const claimDevice = defineRpc({
  pattern: rpcTopic('device-registry', 'claim-device'),
  request: z.strictObject({ deviceId, owner: deviceOwner, remoteAddress: z.string().max(64) }),
  response: z.strictObject({
    outcome: z.enum(['owned', 'owned-by-another', 'device-refused', 'too-many-new-devices']),
  }),
});

/** Who owns a device; without `owner`, nobody does. */
export const readOwner = defineRpc({
  pattern: rpcTopic('device-registry', 'read-owner'),
  request: z.strictObject({ deviceId }),
  response: z.strictObject({ owner: deviceOwner.optional() }),
});

/** The devices of an owner, at most 1,000. */
export const listOwnedDevices = defineRpc({
  pattern: rpcTopic('device-registry', 'list-owned-devices'),
  request: z.strictObject({ owner: deviceOwner }),
  response: z.strictObject({ devices: z.array(deviceId).max(1000) }),
});

/**
 * Gives a device up (sign-off): it has no owner afterwards, and its certificates of this site are revoked. `not-owned`
 * when somebody else, or nobody, owns it. Idempotent.
 */
export const releaseDevice = defineRpc({
  pattern: rpcTopic('device-registry', 'release-device'),
  request: z.strictObject({ deviceId, owner: deviceOwner, remoteAddress: z.string().max(64) }),
  response: z.strictObject({ outcome: z.enum(['released', 'not-owned']) }),
});
