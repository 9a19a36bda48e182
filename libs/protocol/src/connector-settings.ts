import { z } from 'zod';

/** Name of a connector. It stands in paths, topics and store keys. */
export const connectorName = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/,
    'is not 1 to 40 lower-case letters, digits or "-", with a letter or digit at both ends',
  )
  .brand('ConnectorName');
export type ConnectorName = z.infer<typeof connectorName>;

/** The connector that always exists. It also takes every server name that no other connector has. */
export const defaultConnector = connectorName.parse('default');

/** A lower-case DNS name, for SNI and `Host`. No wildcard and no address. */
export const domainName = z
  .string()
  .max(253, 'is longer than 253 characters')
  .regex(
    /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
    'is no DNS name in lower-case letters, digits and "-"',
  )
  .refine((name) => !/(?:^|\.)[0-9]+$/.test(name), 'is an address, or ends like one');

/** A network in CIDR notation, such as `10.1.0.0/16` or `2001:db8::/32`. */
export const cidr = z.union([z.cidrv4(), z.cidrv6()]);
export type Cidr = z.infer<typeof cidr>;

/** Text for people, on one line. */
export const label = z
  .string()
  .min(1, 'is empty')
  .max(128, 'is longer than 128 characters')
  .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]*$/u, 'holds a control character');

/** Name of a value of a device: no "." and no "$" (they part the names of data points), at most 128 bytes. */
export const resourceAlias = z
  .string()
  .regex(/^[^.$]+$/, 'is empty, or holds "." or "$"')
  .refine((alias) => Buffer.byteLength(alias) <= 128, 'is longer than 128 bytes')
  .refine(
    (alias) => alias.isWellFormed() && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(alias),
    'holds a control or invisible character, or broken Unicode',
  )
  // As the key of an object it would be lost on the way: JSON has it, and what reads objects leaves it out.
  .refine((alias) => alias !== '__proto__', 'is "__proto__"')
  .brand('ResourceAlias');
export type ResourceAlias = z.infer<typeof resourceAlias>;

/** What is known of a value: how it is written, and whether a device may be told to change it. */
export const resourceDefinition = z.strictObject({
  format: z.enum(['string', 'number', 'boolean']),
  unit: z.string().max(32).exactOptional(),
  /** True: it has a desired value, which the cloud side sets and the device acknowledges. */
  settable: z.boolean(),
  /** Each is one value, or for numbers a range such as `9-11`. Absent: any value of the format. */
  allowed: z.array(z.string().min(1).max(128)).min(1).max(100).exactOptional(),
});
export type ResourceDefinition = z.infer<typeof resourceDefinition>;

/** How identities are written. A device whose identity breaks it is refused on every contact. */
export const identityFormat = z.strictObject({
  type: z.enum(['opaque', 'base10', 'base16', 'uuid', 'uuidv4', 'mac:48', 'mac-48', 'mac.48']),
  /** Every identity starts with it; the type describes what follows. */
  prefix: z
    .string()
    .max(32)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._:@-]*$/, 'holds a character outside letters, digits and . _ : @ -')
    .exactOptional(),
  /** Characters after the prefix, for `opaque`, `base10` and `base16`. Absent: any number. */
  length: z.int().min(1).max(64).exactOptional(),
  /** `lower` and `upper`: the identity is changed to it. `mixed`: it stays, and two may not differ in case alone. */
  casing: z.enum(['lower', 'upper', 'mixed']),
});
export type IdentityFormat = z.infer<typeof identityFormat>;

const provisioning = z.strictObject({
  /** Devices nobody has registered may register themselves. */
  self: z.boolean(),
  /** What a new device shows. A device that is registered keeps the kind it registered with. */
  auth: z.enum(['certificate', 'token', 'password']),
  /** How long an identity on the allow list waits for its first contact. */
  activationHours: z.int().min(1).max(8760),
  /** Where a new device may come from. Empty: from anywhere. */
  allowedNetworks: z.array(cidr).max(256),
  /** The registry invents an identity for a device that presents none. */
  generateIdentity: z.boolean(),
});

const pki = z.strictObject({
  /** Every device certificate must be issued by a Client CA. */
  enabled: z.boolean(),
  /** Certificates of this site's own CA pass too. */
  acceptsSite: z.boolean(),
  /** What happens when a known device shows another certificate. */
  pinning: z.enum(['pin', 'same-ca', 'any-ca']),
  /** How long the former certificate stays good after a new one was taken on. */
  keepFormerDays: z.int().min(0).max(3650),
  /** Refuses certificates without extended key usage clientAuth. */
  requireClientAuth: z.boolean(),
  /** How far in the future the begin of a certificate may be: clocks differ. */
  notBeforeSkewSeconds: z.int().min(0).max(86_400),
});

/**
 * How many new devices and certificates of CAs outside this site are taken where nobody set a rate. All are kept, so that
 * a stolen key of a CA must not fill the store: 1,000 at once, then 170,000 a day, which is about 0.3 GB.
 */
export const usualNewcomerRate = { burst: 1_000, perSecond: 2 } as const;

/** Limits on what is registered. */
const connectorQuota = z.strictObject({
  /** Absent: no limit. */
  devices: z.int().min(0).max(10_000_000).exactOptional(),
  /** Absent: `usualNewcomerRate`. */
  newPerMinute: z.int().min(1).max(1_000_000).exactOptional(),
});

/** What the registry may be told to ask. Whoever may look at a connector sees it, and so does the log. */
export const httpAddress = z
  .url({ protocol: /^https?$/ })
  .max(2048)
  .refine((text) => !holdsCredentials(text), 'holds a user name or a password');

function holdsCredentials(text: string): boolean {
  return URL.canParse(text) && new URL(text).username + new URL(text).password !== '';
}

/**
 * Asked before a new device is admitted. No answer within 5 s is a refusal. Its origin must be in the setting
 * `registry.webhook.origins`.
 */
const admissionHook = z.strictObject({ url: httpAddress });

export const connectorSettings = z.strictObject({
  domains: z.array(domainName).max(32),
  provisioning,
  pki,
  identity: identityFormat,
  quota: connectorQuota,
  hook: admissionHook.exactOptional(),
  /** What is known of the values of its devices; others are kept nowhere. Empty: every value is kept. At most 1000. */
  resources: z
    .record(resourceAlias, resourceDefinition)
    .refine((resources) => Object.keys(resources).length <= 1000, 'has more than 1000 entries'),
});
export type ConnectorSettings = z.infer<typeof connectorSettings>;

/** Settings of a connector nobody has changed: it admits only devices that are registered already. */
export const initialConnectorSettings: ConnectorSettings = {
  domains: [],
  provisioning: {
    self: false,
    auth: 'certificate',
    activationHours: 48,
    allowedNetworks: [],
    generateIdentity: false,
  },
  pki: {
    enabled: false,
    acceptsSite: true,
    pinning: 'pin',
    keepFormerDays: 0,
    requireClientAuth: false,
    notBeforeSkewSeconds: 300,
  },
  identity: { type: 'opaque', casing: 'mixed' },
  quota: {},
  resources: {},
};
