import { createHash } from 'node:crypto';
import { type DeviceId, deviceId } from '@sallyport/protocol';
import type { Operation, Store } from '@sallyport/store';
import { z } from 'zod';
import { type DeviceRecord, foldedName } from '../devices/device-record.js';

const ownedDevice = z.strictObject({ deviceId });
const mostListed = 1000;

/** What a change writes, so that the devices of an owner are found: `owner/<SHA-256 of the owner>/<name>`. */
export function ownerIndexOperations(before: DeviceRecord | undefined, after: DeviceRecord | undefined): Operation[] {
  if (before?.owner === after?.owner) return [];
  const removed = before?.owner === undefined ? [] : [{ delete: keyOf(before.owner, before.deviceId) }];
  if (after?.owner === undefined) return removed;
  return [...removed, { put: keyOf(after.owner, after.deviceId), value: { deviceId: after.deviceId } }];
}

/** The devices of an owner by name, at most 1,000. */
export async function devicesOf(store: Store, owner: string): Promise<DeviceId[]> {
  const { entries } = await store.list(prefixOf(owner), { limit: mostListed });
  return entries.map(({ value }) => ownedDevice.parse(value).deviceId);
}

function keyOf(owner: string, name: DeviceId): string {
  return prefixOf(owner) + foldedName(name);
}

/** An owner is any text, and a key is not. */
function prefixOf(owner: string): string {
  return `owner/${createHash('sha256').update(owner).digest('hex')}/`;
}
