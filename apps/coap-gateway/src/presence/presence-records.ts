import { Injectable } from '@nestjs/common';
import { type DeviceId, type NewDeviceEvent, Problem } from '@sallyport/protocol';
import { type Operation, Store } from '@sallyport/store';
import { Timeline } from '@sallyport/timeline';
import { onlineKey, type PresenceRecord, presenceOf, recordKey } from './presence-record.js';

const mostTries = 10;

interface Connected {
  readonly type: 'connect';
  readonly deviceId: DeviceId;
  readonly connectionId: string;
  readonly owner: string;
  readonly remoteAddress: string;
  /** ISO 8601, UTC. */
  readonly at: string;
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

/** The change of a record; undefined when there is nothing to change. */
type Change = readonly Operation[] | undefined;

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
   */
  write(transition: Transition, gateway: string): Promise<void> {
    return this.change(recordKey(transition.deviceId), (before) =>
      transition.type === 'connect' ? this.connected(transition, gateway, before) : this.ended(transition, before),
    );
  }

  /** Sets a device offline that a process had which is gone. */
  clear(device: string, { gateway, reason, at }: Loss): Promise<void> {
    return this.change(recordKey(device), (before) => {
      if (before?.gateway !== gateway || !before.isOnline) return [{ delete: onlineKey(gateway, device) }];
      return this.offline(before, { at, reason });
    });
  }

  private connected(
    { type: _, at, ...contact }: Connected,
    gateway: string,
    before: PresenceRecord | undefined,
  ): Change {
    const isSame = before?.isOnline === true && before.connectionId === contact.connectionId;
    if (isSame && before.gateway === gateway) return undefined;
    const connectedAt = isSame ? before.connectedAt : at;
    const record: PresenceRecord = { ...contact, gateway, isOnline: true, connectedAt };
    const { deviceId } = contact;
    return [
      ...(before?.isOnline === true ? [{ delete: onlineKey(before.gateway, deviceId) }] : []),
      { put: recordKey(deviceId), value: record },
      { put: onlineKey(gateway, deviceId), value: true },
      ...(isSame ? [] : this.beginning(record, before)),
    ];
  }

  private beginning(record: PresenceRecord, before: PresenceRecord | undefined): Operation[] {
    const former = before?.isOnline === true ? this.timeline.record(eventOf('disconnect', before, 'superseded')) : [];
    return [...former, ...this.timeline.record(eventOf('connect', record))];
  }

  private ended({ connectionId, at }: Disconnected, before: PresenceRecord | undefined): Change {
    if (before?.connectionId !== connectionId || !before.isOnline) return undefined;
    return this.offline(before, { at });
  }

  private offline(before: PresenceRecord, { at, reason }: { readonly at: string; readonly reason?: string }): Change {
    return [
      { put: recordKey(before.deviceId), value: { ...before, isOnline: false, offlineAt: at } },
      { delete: onlineKey(before.gateway, before.deviceId) },
      ...this.timeline.record(eventOf('disconnect', before, reason)),
    ];
  }

  private async change(key: string, decide: (before: PresenceRecord | undefined) => Change): Promise<void> {
    for (let tries = 0; tries < mostTries; tries += 1) {
      const entry = await this.store.get(key);
      const operations = decide(presenceOf(entry));
      if (operations === undefined) return;
      const { committed } = await this.store.transaction([{ key, revision: entry?.revision ?? 0 }], operations);
      if (committed) return;
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
