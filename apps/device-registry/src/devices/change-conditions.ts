import { namesEntityTag } from '@sallyport/http';
import { Problem } from '@sallyport/protocol';
import type { StoredDevice } from './devices.js';

/** Who asks for a change, why, and to which version of the device. */
export interface ChangeConditions {
  readonly actor: string;
  readonly reason?: string | undefined;
  /** The header `If-Match`, when there is one. */
  readonly ifMatch?: string | undefined;
}

/** Names a version of a record, without the quotes of an entity tag (RFC 9110 §8.8.3). */
export function versionOf({ revision }: StoredDevice): string {
  return String(revision);
}

export function entityTagOf(device: StoredDevice): string {
  return `"${versionOf(device)}"`;
}

/** @throws Problem `precondition-failed`: the request is about another version (RFC 9110 §13.1.1) */
export function requireVersion(device: StoredDevice, ifMatch: string | undefined): void {
  if (ifMatch === undefined || ifMatch.trim() === '*') return;
  if (namesEntityTag(ifMatch, entityTagOf(device), 'strong')) return;
  const { deviceId: name } = device.record;
  throw new Problem(
    'precondition-failed',
    `Device "${name}" has been changed since you read it. Look at it again: sallyport device show ${name}`,
  );
}
