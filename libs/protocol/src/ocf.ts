import { z } from 'zod';
import { type DeviceId, deviceId } from './ids.js';
import type { SiteId } from './site.js';

/** The id of an OCF device: a UUID in lower case with hyphens. */
export const ocfUuid = z
  .string()
  .regex(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'is not a UUID in lower case with hyphens')
  .brand('OcfUuid');
export type OcfUuid = z.infer<typeof ocfUuid>;

/** The UUID of any text that is one, whatever its case (RFC 9562 §4); undefined when it is none. */
export function canonicalUuid(text: string): OcfUuid | undefined {
  return ocfUuid.safeParse(text.toLowerCase()).data;
}

/** The name of an OCF device in certificates and in the registry: `uuid:<uuid>` (OCF Security §9.4.2.2). */
export function ocfDeviceId(uuid: OcfUuid): DeviceId {
  return deviceId.parse(`uuid:${uuid}`);
}

/** The UUID in the name of an OCF device, whatever its case; undefined for every other name. */
export function ocfUuidOf(name: string): OcfUuid | undefined {
  const [scheme, uuid, ...more] = name.split(':');
  if (scheme?.toLowerCase() !== 'uuid' || uuid === undefined || more.length > 0) return undefined;
  return canonicalUuid(uuid);
}

/** A name as this site writes it: that of an OCF device in lower case, every other as it is. */
export function canonicalDeviceId(name: DeviceId): DeviceId {
  const uuid = ocfUuidOf(name);
  return uuid === undefined ? name : ocfDeviceId(uuid);
}

/**
 * The id that this site has as a cloud of OCF devices (`sid`), and the name in the certificate of its CoAP gateway. The
 * random bits of the site id, as a UUID of version 8 (RFC 9562 §5.8).
 */
export function hubIdOf(site: SiteId): OcfUuid {
  const variant = ((Number.parseInt(site.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  const digits = `${site.slice(0, 12)}8${site.slice(13, 16)}${variant}${site.slice(17)}`;
  return ocfUuid.parse(digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'));
}
