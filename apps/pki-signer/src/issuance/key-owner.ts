import { hash } from 'node:crypto';
import { type DeviceId, deviceId, Problem } from '@sallyport/protocol';
import type { Compare, Operation, Store } from '@sallyport/store';
import { parseCertificate } from '@sallyport/x509';
import { z } from 'zod';
import type { CertificateRecord } from '../inventory/certificate-record.js';

/** The name that a public key belongs to, and whether the key may be used in another certificate. */
const keyOwner = z.strictObject({ deviceId, isBlocked: z.boolean() });

/** For the transaction that stores a certificate: the condition on its key, and the change that records the owner. */
export interface KeyClaim {
  readonly compare: Compare;
  readonly operation: Operation;
}

/**
 * Lets a name use a public key, if no other name has used it and nobody has reported it as stolen.
 *
 * @throws Problem `csr-forbidden`
 */
export async function claimKey(store: Store, spki: Buffer, name: DeviceId): Promise<KeyClaim> {
  const key = storeKeyOf(spki);
  const entry = await store.get(key);
  const owner = entry && keyOwner.parse(entry.value);
  if (owner?.isBlocked === true)
    throw new Problem('csr-forbidden', 'This key was reported as compromised. Make a new key and send a new CSR.');
  if (owner !== undefined && owner.deviceId !== name)
    throw new Problem('csr-forbidden', 'This key belongs to another device. Make a new key and send a new CSR.');
  return {
    compare: { key, revision: entry?.revision ?? 0 },
    operation: { put: key, value: { deviceId: name, isBlocked: false } },
  };
}

/** The change that blocks the key of a certificate for ever. */
export function blockKey(record: CertificateRecord): Operation {
  return { put: storeKeyOf(spkiOf(record)), value: { deviceId: record.deviceId, isBlocked: true } };
}

/** Whether the key of a certificate is blocked. */
export async function isKeyBlocked(store: Store, record: CertificateRecord): Promise<boolean> {
  const entry = await store.get(storeKeyOf(spkiOf(record)));
  return entry !== undefined && keyOwner.parse(entry.value).isBlocked;
}

/** Whether two certificates are for the same key. */
export function hasSameKey(one: CertificateRecord, other: CertificateRecord): boolean {
  return spkiOf(one).equals(spkiOf(other));
}

function spkiOf({ certificate }: CertificateRecord): Buffer {
  return parseCertificate(Buffer.from(certificate, 'base64')).spki;
}

function storeKeyOf(spki: Buffer): string {
  return `key-owner/${hash('sha256', spki)}`;
}
