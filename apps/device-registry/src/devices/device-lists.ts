import { Injectable } from '@nestjs/common';
import {
  type AllowedDevice,
  allowedDevice,
  type DeniedPeer,
  type DeviceId,
  deniedPeer,
  deviceId,
  type Fingerprint,
  type Tombstone,
  tombstone,
} from '@sallyport/protocol';
import { type Operation, Store } from '@sallyport/store';
import { z } from 'zod';
import { StoredList } from './stored-list.js';

const deletedCertificate = z.strictObject({ deviceId });

/** Whom a list is asked about. A device with a secret has no certificate. */
export interface NamedPeer {
  readonly deviceId: DeviceId;
  readonly fingerprint?: Fingerprint | undefined;
}

/**
 * The lists that decide about names and certificates whether the registry has a record or not. Keys: `allowed/<name>`,
 * `denied-peer/<name or fingerprint>`, `tombstone/<name>`, and for each certificate of a deleted device
 * `deleted-certificate/<fingerprint>` with its name.
 */
@Injectable()
export class DeviceLists {
  readonly allowed: StoredList<AllowedDevice>;
  /** By name, and by fingerprint. */
  readonly denied: StoredList<DeniedPeer>;
  readonly tombstones: StoredList<Tombstone>;
  private readonly deletedCertificates: StoredList<z.infer<typeof deletedCertificate>>;

  constructor(store: Store) {
    this.allowed = new StoredList(store, 'allowed/', allowedDevice);
    this.denied = new StoredList(store, 'denied-peer/', deniedPeer);
    this.tombstones = new StoredList(store, 'tombstone/', tombstone);
    this.deletedCertificates = new StoredList(store, 'deleted-certificate/', deletedCertificate);
  }

  /** The entry of the deny list for a name or a certificate. */
  async denialOf({ deviceId: name, fingerprint }: NamedPeer): Promise<DeniedPeer | undefined> {
    const byName = await this.denied.find(name);
    return byName ?? (fingerprint && this.denied.find(fingerprint));
  }

  /** The entry of the allow list for a name whose window has not ended. */
  async allowanceOf(name: DeviceId, now: Date): Promise<AllowedDevice | undefined> {
    const entry = await this.allowed.find(name);
    return entry === undefined || isOver(entry, now) ? undefined : entry;
  }

  /** The name of the deleted device that had this name or this certificate. */
  async deletedNameOf({ deviceId: name, fingerprint }: NamedPeer): Promise<DeviceId | undefined> {
    const byName = await this.tombstones.find(name);
    const found = byName ?? (fingerprint && (await this.deletedCertificates.find(fingerprint)));
    return found?.deviceId;
  }

  /** What a deletion writes. */
  deletionOf(stone: Tombstone): Operation[] {
    const { deviceId: name, fingerprints } = stone;
    return [
      this.tombstones.put(name, stone),
      ...fingerprints.map((each) => this.deletedCertificates.put(each, { deviceId: name })),
    ];
  }

  /** What a release writes. */
  release({ deviceId: name, fingerprints }: Tombstone): Operation[] {
    return [this.tombstones.remove(name), ...fingerprints.map((each) => this.deletedCertificates.remove(each))];
  }
}

/** Whether the window of an entry of the allow list has ended. */
export function isOver({ until }: AllowedDevice, now: Date): boolean {
  return until !== undefined && Date.parse(until) <= now.getTime();
}
