import { z } from 'zod';
import { refusalReason } from './admission.js';
import { connectorName } from './connector-settings.js';
import { deviceId, fingerprint } from './ids.js';
import { defineRpc, rpcTopic } from './rpc.js';

/** What the registry keeps of a secret of a device. `password`: an administrator may choose it. */
export const credentialKind = z.enum(['certificate', 'token', 'password']);
export type CredentialKind = z.infer<typeof credentialKind>;

/** A name as a device gives it; the registry checks it by the rules of the connector. */
const presentedIdentity = z.string().max(256);

const contact = {
  /** Which entrance, by its name in the table of entrances. */
  entrance: z.string().min(1).max(128),
  /** Address of the socket, never of a header. */
  remoteAddress: z.string().max(64),
};

const refused = z.strictObject({ outcome: z.literal('refused'), reason: refusalReason });

export const activationRequest = z.strictObject({
  connector: connectorName,
  /** Absent: the registry is asked to make a name (`provisioning.generateIdentity`). */
  identity: presentedIdentity.optional(),
  /** Of the client, printable; for the audit log. */
  userAgent: z.string().max(256).optional(),
  ...contact,
});
export type ActivationRequest = z.infer<typeof activationRequest>;

export const activationDecision = z.discriminatedUnion('outcome', [
  /** `token`: 40 letters and digits, given once. A device of kind `password` uses it as its first password. */
  z.strictObject({ outcome: z.literal('activated'), deviceId, token: z.string().regex(/^[A-Za-z0-9]{40}$/) }),
  refused,
]);
export type ActivationDecision = z.infer<typeof activationDecision>;

/**
 * Gives a device its secret, once. Not idempotent: a second request is refused as `already-activated`. A device of kind
 * `certificate` needs no activation and gets no secret.
 */
export const activateDevice = defineRpc({
  pattern: rpcTopic('device-registry', 'activate-device'),
  request: activationRequest,
  response: activationDecision,
});

export const presentedCredential = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('token'), token: z.string().max(256) }),
  z.strictObject({ kind: z.literal('password'), identity: presentedIdentity, password: z.string().max(256) }),
]);
export type PresentedCredential = z.infer<typeof presentedCredential>;

export const authenticationRequest = z.strictObject({
  connector: connectorName,
  credential: presentedCredential,
  ...contact,
});
export type AuthenticationRequest = z.infer<typeof authenticationRequest>;

export const authenticationDecision = z.discriminatedUnion('outcome', [
  z.strictObject({
    outcome: z.literal('admitted'),
    deviceId,
    /** Names the credential in `device-changed`, as a fingerprint names a certificate. It is no digest of the secret alone. */
    credentialDigest: fingerprint,
    /** ISO 8601, UTC; absent: valid until it is changed. */
    expiresAt: z.iso.datetime().optional(),
  }),
  refused,
]);
export type AuthenticationDecision = z.infer<typeof authenticationDecision>;

/**
 * Asks whether a device with a token or a password may pass. The answer may be remembered for a minute, and is
 * forgotten when `device-changed` names the device.
 */
export const authenticateDevice = defineRpc({
  pattern: rpcTopic('device-registry', 'authenticate-device'),
  request: authenticationRequest,
  response: authenticationDecision,
});
