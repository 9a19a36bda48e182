import { z } from 'zod';
import type { EventContract } from './events.js';
import { authorityId, fingerprint } from './ids.js';
import { defineRpc, rpcTopic, serviceTopicRoot } from './rpc.js';

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
const label = z
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
const httpAddress = z
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

/** Most Client CAs of one connector. */
export const mostClientCas = 64;

/** Keys of one CA name. Each takes a check of a signature when a stranger uses the name. */
export const mostNamesakes = 16;

/** A connector as it is in force, or as a draft would make it. */
export const connectorDocument = z.strictObject({
  name: connectorName,
  /** 1, 2, 3 and so on: one more with each save. */
  version: z.int().positive(),
  settings: connectorSettings,
  clientCas: z.array(clientCa).max(mostClientCas),
});
export type ConnectorDocument = z.infer<typeof connectorDocument>;

const connectorView = z.strictObject({
  name: connectorName,
  settings: connectorSettings.pick({ domains: true, provisioning: true, pki: true, resources: true }),
  clientCas: z.array(
    clientCa.pick({ id: true, provision: true, login: true, sessions: true, existingUntil: true }).extend({
      /** DER, base64. */
      certificates: z.array(clientCaCertificate.shape.der),
    }),
  ),
});
export type ConnectorView = z.infer<typeof connectorView>;

const connectorsVersion = z.int().min(0);

/** What listeners of devices must know. The default connector comes first. */
export const describeConnectors = defineRpc({
  pattern: rpcTopic('device-registry', 'describe-connectors'),
  request: z.strictObject({}),
  response: z.strictObject({ version: connectorsVersion, connectors: z.array(connectorView) }),
});
export type ConnectorDirectory = z.infer<(typeof describeConnectors)['response']>;

/** A listener that has been silent for longer counts as gone. It reports about three times as often. */
export const listenerSilenceSeconds = 45;

/**
 * A listener of devices tells which version it applies, at once after each change and at least every 15 s. A save waits
 * for the listeners that are there. The answer holds the newest version, in case its event was lost.
 */
export const reportConnectorsVersion = defineRpc({
  pattern: rpcTopic('device-registry', 'report-connectors-version'),
  request: z.strictObject({
    /** Drawn at random when the process starts. */
    listener: z.string().regex(/^[0-9a-f]{32}$/, 'is not 32 digits of lower-case hexadecimal'),
    version: connectorsVersion,
    /** The process stops: do not wait for it. */
    leaves: z.boolean().default(false),
  }),
  response: z.strictObject({ version: connectorsVersion }),
});

/** Connectors, Client CAs or their revocation lists changed: ask again, and forget remembered answers. */
export const connectorsChanged = {
  topic: `${serviceTopicRoot}/event/connectors-changed`,
  payload: z.strictObject({ version: connectorsVersion }),
} satisfies EventContract<z.ZodType>;

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
