import { z } from 'zod';
import { connectorName, httpAddress, identityFormat, label } from './connector-settings.js';
import type { EventContract } from './events.js';
import { authorityId, fingerprint } from './ids.js';
import { serviceTopicRoot } from './rpc.js';

/** How the identity of a device is taken from its certificate. */
export const identityNaming = z.discriminatedUnion('by', [
  /** The one CN of the subject. */
  z.strictObject({ by: z.literal('cn') }),
  /** Text with `{cn}`, `{o}`, `{ou}`, `{serialNumber}`, `{dns}`: each must be in the certificate exactly once. */
  z.strictObject({ by: z.literal('template'), template: z.string().min(1).max(200) }),
  /** A pattern over the CN, anchored, with one group: the group is the identity. */
  z.strictObject({ by: z.literal('regex'), pattern: z.string().min(3).max(200) }),
]);
export type IdentityNaming = z.infer<typeof identityNaming>;

/** Largest certificate of a Client CA, in bytes of DER. */
export const largestClientCaBytes = 16_384;

export const clientCaCertificate = z.strictObject({
  fingerprint,
  /** DER. */
  der: z.base64().max(4 * Math.ceil(largestClientCaBytes / 3)),
  /** RFC 4514, escaped. */
  subject: z.string().min(1).max(1024),
  notBefore: z.iso.datetime(),
  notAfter: z.iso.datetime(),
});
export type ClientCaCertificate = z.infer<typeof clientCaCertificate>;

export const clientCaCrl = z.strictObject({
  /** `soft`: a list that is missing or too old refuses nobody. `hard`: it refuses everybody of this CA. */
  mode: z.enum(['off', 'soft', 'hard']),
  /** Where it is fetched, from a host of `registry.crl.hosts`. Absent: it is uploaded. */
  url: httpAddress.exactOptional(),
});
export type ClientCaCrl = z.infer<typeof clientCaCrl>;

/** Why we believe that whoever added the CA may use it. */
export const clientCaProof = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('possession'), at: z.iso.datetime() }),
  z.strictObject({ by: z.literal('attested'), actor: z.string(), at: z.iso.datetime() }),
]);
export type ClientCaProof = z.infer<typeof clientCaProof>;

/** A CA whose devices a connector admits. */
export const clientCa = z.strictObject({
  id: authorityId,
  label,
  /** Of the same key and name; the newest first. */
  certificates: z.array(clientCaCertificate).min(1).max(8),
  /** False: no new device. */
  provision: z.boolean(),
  /** False: its devices are refused. */
  login: z.boolean(),
  /** What becomes of open connections while `login` is false. */
  sessions: z.enum(['keep', 'end']),
  /** `manual`: a new device waits, as `pending-approval`, for an administrator. */
  approval: z.enum(['automatic', 'manual']),
  naming: identityNaming,
  /** Every identity of this CA starts with it. */
  namespace: identityFormat.shape.prefix,
  /** Most devices of this CA. */
  quota: z.int().min(0).max(10_000_000).exactOptional(),
  /** Past the end of the CA's certificates, devices that are registered pass until then. */
  existingUntil: z.iso.datetime().exactOptional(),
  crl: clientCaCrl,
  proof: clientCaProof,
  /** The CA this one replaces: it may take over that one's devices. */
  successorOf: authorityId.exactOptional(),
});
export type ClientCa = z.infer<typeof clientCa>;

/** Keys of one CA name. Each takes a check of a signature when a stranger uses the name. */
export const mostNamesakes = 16;

/** Days before the end of a Client CA or of a device certificate when the registry warns, each once; 0: it has ended. */
export const expiryWarningDays = [90, 30, 7, 0] as const;

/** All certificates of a Client CA end soon, or have ended. */
export const clientCaExpiring = {
  topic: `${serviceTopicRoot}/event/client-ca-expiring`,
  payload: z.strictObject({
    connector: connectorName,
    clientCa: authorityId,
    label,
    notAfter: z.iso.datetime(),
    /** The warning this is: one of `expiryWarningDays`. */
    days: z.literal(expiryWarningDays),
  }),
} satisfies EventContract<z.ZodType>;
