import { z } from 'zod';
import type { AdminRoute } from './admin-route.js';
import { entranceGroup } from './entrances.js';
import { fingerprint, securityLevel } from './ids.js';
import { defineRpc, rpcTopic } from './rpc.js';

/** A name or address in a server certificate. */
export const hostName = z.strictObject({ type: z.enum(['dns', 'ip']), value: z.string().min(1).max(253) });
export type HostName = z.infer<typeof hostName>;

const entranceDescription = z.strictObject({
  /** What passes through, such as `file transfer`. */
  name: z.string().min(1).max(128),
  group: entranceGroup,
  /** Where an entrance is open for each connection to a cloud: its profile. Absent for the one outside of profiles. */
  profile: z.string().min(1).max(64).optional(),
  host: z.string(),
  /** Further addresses, where it is bound to a network interface. */
  moreHosts: z.array(z.string()).max(64).optional(),
  port: z.number().int().min(0).max(65_535),
  /** Its present level; while it stays shut, the level below which it does not open. */
  level: securityLevel,
  /** False while an entrance that needs client certificates waits for its settings. */
  isOpen: z.boolean(),
  /** Why the entrance stays shut although its settings would open it, and what to do. */
  shutReason: z.string().optional(),
  /** Of the certificate it shows; absent at level plain. */
  fingerprint: fingerprint.optional(),
  notAfter: z.iso.datetime().optional(),
  /** Connections whose peer proved an identity. */
  sessions: z.number().int().min(0),
});
export type EntranceDescription = z.infer<typeof entranceDescription>;

export const entranceList = z.strictObject({ entrances: z.array(entranceDescription) });

/** The service makes a key, and gets its certificate with a one-time token. */
export const entranceEnrolRequest = z.strictObject({
  group: entranceGroup,
  oneTimePassword: z.string().min(1).max(200),
  /** Where the signer answers EST, such as `https://localhost:8443`. */
  url: z.url({ protocol: /^https$/ }),
  subjectAltNames: z.array(hostName).min(1).max(32),
});
export type EntranceEnrolRequest = z.infer<typeof entranceEnrolRequest>;

export const entranceEnrolResponse = z.strictObject({
  fingerprint,
  certPath: z.string(),
  keyPath: z.string(),
  /** Directory of the CAs whose clients this entrance may admit: roots and issuing CAs of this site. */
  caPath: z.string(),
});
export type EntranceEnrolResponse = z.infer<typeof entranceEnrolResponse>;

/** Without `lowerTo`, no entrance goes below the level it last had: lost settings must not open it to everybody. */
export const entranceReloadRequest = z.strictObject({ lowerTo: securityLevel.optional() });
export type EntranceReloadRequest = z.infer<typeof entranceReloadRequest>;

export const entranceReloadResponse = entranceList.extend({
  /** Settings that have changed and that the service only reads when it starts; absent when there are none. */
  restartNeededFor: z.array(z.string()).optional(),
});
export type EntranceReloadResponse = z.infer<typeof entranceReloadResponse>;

/** Asks the signer for the CAs of this site: roots and issuing CAs, also those that are being retired. */
export const readTrustBundle = defineRpc({
  pattern: rpcTopic('pki-signer', 'read-trust-bundle'),
  request: z.strictObject({}),
  response: z.strictObject({
    version: z.number().int().positive(),
    certificates: z
      .array(z.strictObject({ role: z.enum(['root', 'issuing']), pem: z.string().max(16_384) }))
      .min(1)
      .max(100),
  }),
});

/** How many connections without a certificate the next seconds bring, at each entrance. */
export const expectedProbes = z.strictObject({ count: z.number().int().min(1).max(8) });

/** The entrances in the admin API of a service that has any. */
export const entranceRoutes = {
  list: {
    method: 'GET',
    path: '/v1/entrance',
    summary: 'Lists what is open, and at which level.',
    response: entranceList,
  },
  enrol: {
    method: 'POST',
    path: '/v1/entrance/enrol',
    summary: 'Makes a key in the service, and gets a certificate for it with a one-time token.',
    request: entranceEnrolRequest,
    response: entranceEnrolResponse,
  },
  reload: {
    method: 'POST',
    path: '/v1/entrance/reload',
    summary: 'Puts in force what settings and files say now; a lower level only when it is asked for.',
    request: entranceReloadRequest,
    response: entranceReloadResponse,
  },
  expectProbes: {
    method: 'POST',
    path: '/v1/entrance/probes',
    summary:
      'Says that the caller is about to connect as a stranger, so that its refusals are not logged as those of others.',
    request: expectedProbes,
  },
} as const satisfies Record<string, AdminRoute>;
