import { deviceId, deviceOwner } from '@sallyport/protocol';
import type { Entry } from '@sallyport/store';
import { z } from 'zod';

/** What is kept of the last connection of a device. */
const presenceRecord = z.strictObject({
  deviceId,
  isOnline: z.boolean(),
  /** Without it, nobody owns the device now. */
  owner: deviceOwner.optional(),
  remoteAddress: z.string().max(64),
  connectionId: z.string().max(64),
  /** The gateway process that has, or had, the connection: the id of its lease. */
  gateway: z.uuid(),
  connectedAt: z.iso.datetime(),
  /** When the connection ended. */
  offlineAt: z.iso.datetime().optional(),
});
export type PresenceRecord = z.infer<typeof presenceRecord>;

export const recordPrefix = 'presence/device/';

/** Spellings of a name in upper and lower case are one device. */
export function recordKey(device: string): string {
  return recordPrefix + device.toLowerCase();
}

/** What the marks of the devices that are online at one gateway process begin with. */
export function onlinePrefix(gateway: string): string {
  return `presence/online/${gateway}/`;
}

/** With it the devices of a gateway process that has died are found without reading all devices. */
export function onlineKey(gateway: string, device: string): string {
  return onlinePrefix(gateway) + device.toLowerCase();
}

/** Undefined: there is none, or an entry that nobody can read. The next sign-in writes it anew. */
export function presenceOf(entry: Entry | undefined): PresenceRecord | undefined {
  return presenceRecord.safeParse(entry?.value).data;
}
