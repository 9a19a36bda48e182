import { Injectable } from '@nestjs/common';
import { type DeviceId, type NewDeviceEvent, Problem } from '@sallyport/protocol';
import { type Operation, Store } from '@sallyport/store';
import { Timeline } from '@sallyport/timeline';
import { onlineKey, type PresenceRecord, presenceOf, recordKey } from './presence-record.js';
import { supersededOperation } from './superseded-sessions.js';

const mostTries = 10;

interface Connected {
  readonly type: 'connect';
  readonly deviceId: DeviceId;
  readonly connectionId: string;
  readonly owner: string;
  readonly remoteAddress: string;
  /** When it began. ISO 8601, UTC. */
  readonly at: string;
  /** It is told again, or late: the device may have signed in anew elsewhere. */
  readonly isRepeated?: true;
}

interface Disconnected {
  readonly type: 'disconnect';
  readonly deviceId: DeviceId;
  readonly connectionId: string;
  readonly at: string;
}

/** A session began or ended. */
export type Transition = Connected | Disconnected;

interface Loss {
  /** The process that has no connections any more. */
  readonly gateway: string;
  readonly reason: string;
  readonly at: string;
}

/** The change of a record: none when it is right already, or when a newer connection has taken its place. */
type Change = readonly Operation[] | 'none' | 'superseded';

/** The records of devices that are or were online. Each change is one transaction with its event on the timeline. */
@Injectable()
export class PresenceRecords {
  constructor(
    private readonly store: Store,
    private readonly timeline: Timeline,
  ) {}

  /**
   * Writes that a session began, or that it ended. The end of a connection that is not the newest changes nothing.
   *
   * @param gateway the process that has the connection
   * @returns `superseded`: the device has a newer connection, and nothing was written
   */
  write(transition: Transition, gateway: string): Promise<'written' | 'superseded'> {
    return this.change(recordKey(transition.deviceId), (before) =>
      transition.type === 'connect' ? this.connected(transition, gateway, before) : this.ended(transition, before),
    );
  }

  /** Sets a device offline that a process had which is gone. */
  async clear(device: string, { gateway, reason, at }: Loss): Promise<void> {
    await this.change(recordKey(device), (before) => {
      if (before?.gateway !== gateway || !before.isOnline) return [{ delete: onlineKey(gateway, device) }];
      return this.offline(before, { at, reason });
    });
  }

  /** Writes who owns a device now; `undefined`: nobody does. */
  async setOwner(device: DeviceId, owner: string | undefined): Promise<void> {
    await this.change(recordKey(device), (before) => {
      if (before === undefined || before.owner === owner) return 'none';
      const { owner: _, ...record } = before;
      return [{ put: recordKey(device), value: { ...record, ...(owner === undefined ? {} : { owner }) } }];
    });
  }

  /** Removes the record of a deleted device. The event may come late, when a new device has signed in with its name. */
  async forget(device: DeviceId, deletedAt: string): Promise<void> {
    await this.change(recordKey(device), (before) => {
      if (before === undefined || before.connectedAt > deletedAt) return 'none';
      const ended = before.isOnline ? this.timeline.record(eventOf('disconnect', before, 'device-deleted')) : [];
      return [{ delete: recordKey(device) }, { delete: onlineKey(before.gateway, device) }, ...ended];
    });
  }

  private connected(transition: Connected, gateway: string, before: PresenceRecord | undefined): Change {
    const { type: _, at, isRepeated = false, ...contact } = transition;
    const former = before?.isOnline === true ? before : undefined;
    const isSame = former?.connectionId === contact.connectionId;
    if (isSame && former?.gateway === gateway) return 'none';
    if (isRepeated && !isSame && former !== undefined && former.connectedAt >= at) return 'superseded';
    const record: PresenceRecord = { ...contact, gateway, isOnline: true, connectedAt: at };
    const { deviceId } = contact;
    return [
      ...(former === undefined ? [] : [{ delete: onlineKey(former.gateway, deviceId) }]),
      { put: recordKey(deviceId), value: record },
      { put: onlineKey(gateway, deviceId), value: true },
      ...(isSame ? [] : this.beginning(record, former)),
    ];
  }

  private beginning(record: PresenceRecord, former: PresenceRecord | undefined): Operation[] {
    if (former === undefined) return this.timeline.record(eventOf('connect', record));
    // The sessions of this process see to it that a device has one connection here.
    const elsewhere = former.gateway === record.gateway ? [] : [supersededOperation(former)];
    const ended = this.timeline.record(eventOf('disconnect', former, 'superseded'));
    return [...elsewhere, ...ended, ...this.timeline.record(eventOf('connect', record))];
  }

  private ended({ connectionId, at }: Disconnected, before: PresenceRecord | undefined): Change {
    if (before?.connectionId !== connectionId || !before.isOnline) return 'none';
    return this.offline(before, { at });
  }

  private offline(before: PresenceRecord, { at, reason }: { readonly at: string; readonly reason?: string }): Change {
    return [
      { put: recordKey(before.deviceId), value: { ...before, isOnline: false, offlineAt: at } },
      { delete: onlineKey(before.gateway, before.deviceId) },
      ...this.timeline.record(eventOf('disconnect', before, reason)),
    ];
  }

  private async change(
    key: string,
    decide: (before: PresenceRecord | undefined) => Change,
  ): Promise<'written' | 'superseded'> {
    for (let tries = 0; tries < mostTries; tries += 1) {
      const entry = await this.store.get(key);
      const operations = decide(presenceOf(entry));
      if (operations === 'none') return 'written';
      if (operations === 'superseded') return operations;
      const { committed } = await this.store.transaction([{ key, revision: entry?.revision ?? 0 }], operations);
      if (committed) return 'written';
    }
    throw new Problem('unavailable', 'The presence of a device is being changed by another gateway.');
  }
}

function eventOf(
  type: 'connect' | 'disconnect',
  { deviceId: device, remoteAddress }: PresenceRecord,
  reason?: string,
): NewDeviceEvent {
  const address = remoteAddress === '' ? {} : { address: remoteAddress };
  return { type, device, protocol: 'coap', ...address, ...(reason === undefined ? {} : { payload: { reason } }) };
}
