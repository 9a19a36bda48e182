import { z } from 'zod';
import { authorityId, fingerprint, serialNumber } from './ids.js';

/** A CA outside this site: by key and name; by the fingerprint of its certificate in records of older versions. */
export const foreignAuthority = z.union([authorityId, fingerprint]);
export type ForeignAuthority = z.infer<typeof foreignAuthority>;

/** Who vouches for a device: a CA of this site, another one, or none, because its credential is a secret. */
export const deviceAuthority = z.union([z.literal('site'), z.literal('none'), foreignAuthority]);
export type DeviceAuthority = z.infer<typeof deviceAuthority>;

/** A certificate as the history of a device has it. */
export const deviceCertificate = z.strictObject({
  fingerprint,
  serialNumber,
  issuerFingerprint: fingerprint,
  /** That CA by key and name, when it is known. */
  issuer: authorityId.optional(),
  notBefore: z.iso.datetime(),
  notAfter: z.iso.datetime(),
  recordedAt: z.iso.datetime(),
  /**
   * `issued`: the signer announced it. `contact`: the device showed it at an entrance. `imported`: an administrator
   * gave it to the registry.
   */
  source: z.enum(['issued', 'contact', 'imported']),
  revocation: z.strictObject({ revokedAt: z.iso.datetime(), reason: z.string() }).optional(),
});
export type DeviceCertificate = z.infer<typeof deviceCertificate>;

const mostTagNames = 32;
const mostTagValues = 16;
const noControl = /^[^\p{Cc}]*$/u;

/** Name of a tag, such as `site` or `owner.team`. It has no `=`, so that `name=value` can be read in one way only. */
export const tagName = z
  .string()
  .min(1, 'is empty')
  .max(64, 'is longer than 64 characters')
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, 'is not letters, digits and _ . - after a letter or digit');

export const tagValue = z
  .string()
  .min(1, 'is empty')
  .max(128, 'is longer than 128 characters')
  .regex(noControl, 'holds a control character');

/** Tags of a device, by name; a name may have several values. A device never sees them. */
export const deviceTags = z
  .record(tagName, z.array(tagValue).min(1).max(mostTagValues))
  .refine((tags) => Object.keys(tags).length <= mostTagNames, `has more than ${mostTagNames} names`);
export type DeviceTags = z.infer<typeof deviceTags>;

/** The last contact of a device. It is written once a minute, so a crash may lose the newest minute. */
export const lastSeen = z.strictObject({
  at: z.iso.datetime(),
  /** The entrance, such as `mqtt` or `connector`. */
  entrance: z.string(),
  remoteAddress: z.string(),
  /** Contacts so far: connections, and the requests that entrances report. A report that is sent twice counts once. */
  contacts: z.number().int().min(0),
});
export type LastSeen = z.infer<typeof lastSeen>;

/** Why an administrator does something, for the audit log. */
export const reasonText = z.string().min(1, 'is empty').max(256).regex(noControl, 'holds a control character');
