import { Injectable } from '@nestjs/common';
import { type AuditEntry, AuditLog } from '@sallyport/audit';
import {
  type AllowedDevice,
  type AllowRequest,
  type ConnectorName,
  type DeniedPeer,
  type DenyRequest,
  type DeviceId,
  deviceId,
  type Fingerprint,
  fingerprint,
  type ListChange,
  Problem,
} from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import type { Operation } from '@sallyport/store';
import { Connectors } from '../connectors/connectors.js';
import { DeviceAnnouncements } from './device-announcements.js';
import { DeviceLists } from './device-lists.js';
import { credentialsOf } from './device-record.js';
import { Devices, type StoredDevice } from './devices.js';

const hourMs = 3_600_000;
const usualHours = 48;

/** Puts names and certificates on the allow list and the deny list, and takes them off. */
@Injectable()
export class ListAdministration {
  constructor(
    private readonly lists: DeviceLists,
    private readonly devices: Devices,
    private readonly connectors: Connectors,
    private readonly announcements: DeviceAnnouncements,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** Lets names come in for the first time. Each gets a new window, also one that is on the list already. */
  async allow(request: AllowRequest, actor: string): Promise<ListChange> {
    const { devices, connector, tags } = request;
    const at = this.clock.now();
    const until = await this.endOfWindow(request, at);
    const names = [...new Map(devices.map((name) => [name.toLowerCase(), name])).values()];
    const entries = names.map(
      (name): AllowedDevice => ({
        deviceId: name,
        ...(connector === undefined ? {} : { connector }),
        ...(until === undefined ? {} : { until: until.toISOString() }),
        ...(tags === undefined ? {} : { tags }),
        at: at.toISOString(),
        actor,
      }),
    );
    await this.write(
      entries.map((entry) => this.lists.allowed.put(entry.deviceId, entry)),
      names.map((name) => entryOf('device-allowed', name, actor)),
    );
    return { changed: entries.length };
  }

  /** The end of a window that begins now; undefined when it has none. */
  async endOfWindow(
    { hours, connector }: { readonly hours?: number | undefined; readonly connector?: ConnectorName | undefined },
    now: Date,
  ): Promise<Date | undefined> {
    const chosen = hours ?? (await this.usualHoursOf(connector));
    return chosen === 0 ? undefined : new Date(now.getTime() + chosen * hourMs);
  }

  /** @throws Problem `not-found`: it is not on the list */
  async withdrawAllowed(name: DeviceId, actor: string): Promise<void> {
    if ((await this.lists.allowed.find(name)) === undefined) throw notOnList(name, 'allow');
    await this.write([this.lists.allowed.remove(name)], [entryOf('device-not-allowed', name, actor)]);
  }

  /** Refuses names and certificates, and ends the connections of those that the registry knows. */
  async deny({ devices, fingerprints, reason }: DenyRequest, actor: string): Promise<ListChange> {
    const stamp = { ...(reason === undefined ? {} : { reason }), at: this.clock.now().toISOString(), actor };
    for (const name of devices) await this.denyOne({ deviceId: name, ...stamp });
    for (const each of fingerprints) await this.denyOne({ fingerprint: each, ...stamp });
    return { changed: devices.length + fingerprints.length };
  }

  /** @throws Problem `not-found`: it is not on the list */
  async withdrawDenied(id: string, actor: string): Promise<void> {
    if ((await this.lists.denied.find(id)) === undefined) throw notOnList(id, 'deny');
    const known = await this.devicesNamed(id);
    await this.write(
      [this.lists.denied.remove(id), ...known.map((device) => this.announce(device))],
      [entryOf('peer-not-denied', id, actor)],
    );
  }

  private async denyOne(entry: DeniedPeer): Promise<void> {
    const id = entry.deviceId ?? entry.fingerprint ?? '';
    const known = await this.devicesNamed(id);
    const details = entry.reason === undefined ? {} : { reason: entry.reason };
    const row = { ...entryOf('peer-denied', id, entry.actor), details };
    await this.write([this.lists.denied.put(id, entry), ...known.map((device) => this.announceDenied(device))], [row]);
  }

  /** The device with this name, and the device that has this certificate. */
  private async devicesNamed(id: string): Promise<StoredDevice[]> {
    const holder = isFingerprint(id) ? (await this.devices.certificateOf(id))?.device : undefined;
    const names = [holder, deviceId.safeParse(id).data].filter((name) => name !== undefined);
    const found = await Promise.all(names.map((name) => this.devices.find(name)));
    return found.filter((device) => device !== undefined);
  }

  /** To the entrances, a denied device is like a locked one: they end its sessions, and ask again. */
  private announceDenied({ record }: StoredDevice): Operation {
    const state = record.state === 'active' ? 'locked' : record.state;
    return this.announcements.record({ ...record, state }, credentialsOf(record));
  }

  private announce({ record }: StoredDevice): Operation {
    return this.announcements.record(record, credentialsOf(record));
  }

  private async usualHoursOf(connector: ConnectorName | undefined): Promise<number> {
    if (connector === undefined) return usualHours;
    const { document } = await this.connectors.require(connector);
    return document.settings.provisioning.activationHours;
  }

  private async write(operations: readonly Operation[], entries: readonly AuditEntry[]): Promise<void> {
    await this.audit.commit({ operations, entries });
  }
}

function isFingerprint(text: string): text is Fingerprint {
  return fingerprint.safeParse(text).success;
}

function entryOf(action: string, subject: string, actor: string): AuditEntry {
  return { actor, action, subject, outcome: 'succeeded', details: {} };
}

function notOnList(id: string, list: string): Problem {
  return new Problem('not-found', `"${id}" is not on the ${list} list.`);
}
