import { z } from 'zod';
import { authorityId, fingerprint } from './ids.js';
import { defineRpc, rpcTopic } from './rpc.js';

/** Name of a site, drawn when it is founded: 128 random bits, lower-case hexadecimal. */
export const siteId = z
  .string()
  .regex(/^[0-9a-f]{32}$/, 'is not 32 digits of lower-case hexadecimal')
  .brand('SiteId');
export type SiteId = z.infer<typeof siteId>;

/** A CA by its key and name; older versions wrote the fingerprint of one of its certificates. */
const distrustedAuthority = z.union([authorityId, fingerprint]);
export type DistrustedAuthority = z.infer<typeof distrustedAuthority>;

/** The site a service belongs to, as its part of the store knows it. */
export const siteRecord = z.strictObject({
  siteId,
  foundedAt: z.iso.datetime(),
  /** CAs of earlier sites. Their certificates are refused for ever. */
  distrusted: z.array(distrustedAuthority).max(1000).default([]),
});
export type SiteRecord = z.infer<typeof siteRecord>;

/**
 * What a service keeps in the configuration directory about its site, so that a store that was emptied or exchanged is
 * told from the first start. `founding`: the store may not know the site yet.
 */
export const siteMarker = siteRecord.extend({
  state: z.enum(['founding', 'founded']),
  /** The site this one replaces, as far as that is known; absent for a first founding. */
  replaces: z.union([siteId, z.literal('unknown')]).exactOptional(),
});
export type SiteMarker = z.infer<typeof siteMarker>;

/**
 * The device registry tells the signer which site it knows, and hears which one there is and whether it has been known
 * as a part of it before: a registry that was, and knows nothing now, has lost its devices.
 */
export const introduceRegistry = defineRpc({
  pattern: rpcTopic('pki-signer', 'introduce-registry'),
  request: z.strictObject({ siteId: siteId.exactOptional() }),
  response: z.strictObject({ site: siteRecord, wasKnown: z.boolean() }),
});
