import { z } from 'zod';
import { deviceId } from './ids.js';
import { defineRpc, rpcTopic } from './rpc.js';

/**
 * Asks the signer to revoke every certificate that it issued to a device up to a moment, because the device was given
 * up. The device may enrol again: a certificate that it gets later stays valid, also when the request comes again.
 */
export const revokeIdentities = defineRpc({
  pattern: rpcTopic('pki-signer', 'revoke-identities'),
  request: z.strictObject({
    deviceId,
    /** When the device was given up. */
    releasedAt: z.iso.datetime(),
    /** Who asked for it, for the audit log. */
    actor: z.string().min(1).max(256),
  }),
  response: z.strictObject({
    /** How many are revoked now that were valid before. */
    revoked: z.number().int().min(0),
  }),
});
export type IdentityRevocation = z.infer<(typeof revokeIdentities)['request']>;
