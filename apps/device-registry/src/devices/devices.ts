import { Injectable } from '@nestjs/common';
import type { AuditEntry } from '@sallyport/audit';
import { AuditLog } from '@sallyport/audit';
import { KeyedSerialQueue } from '@sallyport/concurrency';
import {
  type AuthorityId,
  type DeviceId,
  type DeviceRefusal,
  deviceDescription,
  deviceId,
  deviceOwnerChanged,
  type Fingerprint,
  type NewDeviceEvent,
  Problem,
} from '@sallyport/protocol';
import { type Compare, type Entry, type Operation, Store } from '@sallyport/store';
import { Timeline } from '@sallyport/timeline';
import { z } from 'zod';
import { ownerIndexOperations } from '../ownership/owner-index.js';
import { DeviceAnnouncements } from './device-announcements.js';
import {
  type CertificateIdentity,
  certificateKey,
  denialByFingerprint,
  denialBySerial,
  denialKeys,
  deviceKey,
  devicePrefix,
  refusalsKey,
} from './device-keys.js';
import { type DeviceRecord, fingerprintsOf, foldedName } from './device-record.js';
import { DeviceDirectory } from './index/device-directory.js';
import { packRecord, recordOf } from './stored-record.js';

/** A record and the revision it was read at. */
export interface StoredDevice {
  readonly record: DeviceRecord;
  readonly revision: number;
}

/** A certificate and every id of its issuer. */
export interface PresentedCertificate extends Pick<CertificateIdentity, 'fingerprint' | 'serialNumber'> {
  readonly issuers: readonly (Fingerprint | AuthorityId)[];
}

/** A certificate as it was presented, to be kept beside the record. */
export interface KeptCertificate {
  readonly fingerprint: Fingerprint;
  readonly der: Buffer;
}

/** One change: of a device, of the certificates refused for ever, or of both. */
export interface DeviceChangeSet {
  /** The record as it was read; absent for a name the registry does not know. */
  readonly before?: StoredDevice | undefined;
  readonly after?: DeviceRecord | undefined;
  /** Refused for ever from now on. */
  readonly denied?: readonly CertificateIdentity[];
  /** Removes the record, and everything that is kept of the device. */
  readonly deletes?: true;
  /** Certificates of `after` whose DER is kept as long as the record names them. */
  readonly kept?: readonly KeptCertificate[];
  /** What the timeline of the device tells of this. Services and administrators have no timeline. */
  readonly events?: readonly NewDeviceEvent[];
  /** Further changes of the same transaction. */
  readonly operations?: readonly Operation[];
  /** Certificates of `after` that are announced to the entrances. */
  readonly announced?: readonly Fingerprint[] | undefined;
  readonly audit: readonly AuditEntry[];
}

const keptCertificate = z.strictObject({ device: deviceId, der: z.base64() });

const mostRefusals = 10;
const mostTries = 20;

/**
 * The devices of the registry in the store. Keys: `device/<name>` the record,
 * `certificate/<fingerprint>` the DER of a certificate in base64, `denied/…` certificates refused for ever,
 * `refusals/<name>` the latest refusals of a device. Names in keys are in lower case, so one name can be registered only
 * once.
 */
@Injectable()
export class Devices {
  private readonly changes = new KeyedSerialQueue();

  constructor(
    private readonly store: Store,
    private readonly audit: AuditLog,
    private readonly announcements: DeviceAnnouncements,
    private readonly timeline: Timeline,
    private readonly directory: DeviceDirectory,
  ) {}

  /** @throws Problem `internal`: the stored value is no device record, so the registry cannot decide */
  async find(name: DeviceId): Promise<StoredDevice | undefined> {
    const entry = await this.store.get(deviceKey(name));
    return entry && storedDevice(entry);
  }

  /** @throws Problem `not-found` */
  async require(name: DeviceId): Promise<StoredDevice> {
    const found = await this.find(name);
    if (found === undefined)
      throw new Problem('not-found', `No device is called "${name}". See which there are: sallyport device list`);
    return found;
  }

  /** One page of devices as they are stored, ordered by name in lower case. */
  async page(page: { cursor?: string; limit: number }) {
    const { entries, ...rest } = await this.store.list(devicePrefix, page);
    return { devices: entries.map(storedDevice), ...rest };
  }

  /** Those of some devices that there still are, in the same order. */
  async some(names: readonly string[]): Promise<StoredDevice[]> {
    const entries = await Promise.all(names.map((name) => this.store.get(devicePrefix + name)));
    return entries.filter((entry) => entry !== undefined).map(storedDevice);
  }

  /** Whether a certificate is refused for ever, by its fingerprint or by issuer and serial number. */
  async isDenied({ fingerprint, serialNumber, issuers }: PresentedCertificate): Promise<boolean> {
    const keys = [denialByFingerprint(fingerprint), ...issuers.map((issuer) => denialBySerial(issuer, serialNumber))];
    const found = await Promise.all(keys.map((key) => this.store.get(key)));
    return found.some((entry) => entry !== undefined);
  }

  /** The DER of a certificate and the device that has it; undefined when it was not kept, as in earlier releases. */
  async certificateOf(fingerprint: Fingerprint): Promise<{ device: DeviceId; der: Buffer } | undefined> {
    const entry = await this.store.get(certificateKey(fingerprint));
    const kept = keptCertificate.safeParse(entry?.value).data;
    return kept && { device: kept.device, der: Buffer.from(kept.der, 'base64') };
  }

  /** The latest refusals of a device, newest first; none if they cannot be read. */
  async refusals(name: DeviceId): Promise<DeviceRefusal[]> {
    const entry = await this.store.get(refusalsKey(name));
    return deviceDescription.shape.refusals.safeParse(entry?.value).data ?? [];
  }

  /** The operation that adds one refusal. Only the newest are kept. */
  async refusalOperation(name: DeviceId, refusal: DeviceRefusal): Promise<Operation> {
    const recent = [refusal, ...(await this.refusals(name))].slice(0, mostRefusals);
    return { put: refusalsKey(name), value: recent };
  }

  /**
   * Reads, decides and writes. If another change came in between, it tries again. Changes of one name run one after the
   * other in this process; a change by another replica is found by its revision.
   *
   * @param decide returns the result, and the change that must be written for it to be true, if any
   */
  change<Result>(name: DeviceId, decide: Decide<Result>): Promise<Result> {
    return this.changes.run(foldedName(name), () => this.changeInTurn(name, decide));
  }

  private async changeInTurn<Result>(name: DeviceId, decide: Decide<Result>): Promise<Result> {
    for (let tries = 0; tries < mostTries; tries += 1) {
      const { result, change } = await decide(await this.find(name));
      if (change === undefined || (await this.commit(name, change))) return result;
    }
    throw new Problem('unavailable', `Device "${name}" is being changed by somebody else. Try again.`, {
      retryAfterSeconds: 1,
    });
  }

  /**
   * Writes record, index, denials, announcement and audit rows in one transaction. False if another change came first.
   */
  private async commit(name: DeviceId, change: DeviceChangeSet): Promise<boolean> {
    const isCommitted = await this.audit.commit({ ...this.stepsOf(name, change), entries: change.audit });
    if (isCommitted) await this.directory.refresh(name);
    return isCommitted;
  }

  /**
   * Changes several known devices, all or none. Writes the given audit rows, not those of each change.
   *
   * @returns false if another change came first for one of them
   */
  async commitAll(
    changes: readonly (DeviceChangeSet & { readonly before: StoredDevice })[],
    entries: readonly AuditEntry[],
  ): Promise<boolean> {
    const steps = changes.map((change) => this.stepsOf(change.before.record.deviceId, change));
    const [compares, operations] = [steps.flatMap((step) => step.compares), steps.flatMap((step) => step.operations)];
    const isCommitted = await this.audit.commit({ compares, operations, entries });
    if (isCommitted) await Promise.all(changes.map(({ before }) => this.directory.refresh(before.record.deviceId)));
    return isCommitted;
  }

  private stepsOf(name: DeviceId, change: DeviceChangeSet) {
    const { before, after, denied = [], announced, kept = [], events = [] } = change;
    const compares: Compare[] = [{ key: deviceKey(name), revision: before?.revision ?? 0 }];
    const operations: Operation[] = denied.flatMap(denialKeys).map((key) => ({ put: key, value: { deviceId: name } }));
    operations.push(...kept.map((each) => keepCertificate(after?.deviceId ?? name, each)));
    operations.push(...forgottenCertificates(change), ...(change.operations ?? []));
    if (before !== undefined && change.deletes === true) operations.push(...deletions(before.record));
    if (after !== undefined || change.deletes === true) operations.push(...this.ownerOperations(before?.record, after));
    if (after !== undefined) {
      operations.push({ put: deviceKey(name), value: packRecord(after) });
      if (announced !== undefined) operations.push(this.announcements.record(after, announced));
      if (after.state !== before?.record.state) operations.push(...this.announcements.withdrawal(after));
    }
    const { kind, connector } = after ?? before?.record ?? {};
    const origin = connector === undefined ? {} : { connector };
    if (kind === 'device') operations.push(...events.flatMap((event) => this.timeline.record({ ...origin, ...event })));
    return { compares, operations };
  }

  /** What a change of the owner writes: who owns which devices, and its announcement. */
  private ownerOperations(before: DeviceRecord | undefined, after: DeviceRecord | undefined): Operation[] {
    const name = (after ?? before)?.deviceId;
    const index = ownerIndexOperations(before, after);
    if (name === undefined || index.length === 0) return [];
    const payload = { deviceId: name, ...(after?.owner === undefined ? {} : { owner: after.owner }) };
    return [...index, this.announcements.announce(deviceOwnerChanged, payload)];
  }
}

/** The result, and the change that must be written for it to be true. */
export interface Decision<Result> {
  readonly result: Result;
  readonly change?: DeviceChangeSet;
}

type Decide<Result> = (device: StoredDevice | undefined) => Promise<Decision<Result>>;

function storedDevice(entry: Entry): StoredDevice {
  return { record: recordOf(entry), revision: entry.revision };
}

function keepCertificate(device: DeviceId, { fingerprint, der }: KeptCertificate): Operation {
  return { put: certificateKey(fingerprint), value: { device, der: der.toString('base64') } };
}

function deletions(record: DeviceRecord): Operation[] {
  const keys = [deviceKey(record.deviceId), refusalsKey(record.deviceId)];
  return [...keys, ...fingerprintsOf(record).map(certificateKey)].map((key) => ({ delete: key }));
}

/** Deletes the DER of certificates that the record does not name any more. */
function forgottenCertificates({ before, after }: DeviceChangeSet): Operation[] {
  if (before === undefined || after === undefined) return [];
  const named = new Set(fingerprintsOf(after));
  const dropped = fingerprintsOf(before.record).filter((fingerprint) => !named.has(fingerprint));
  return dropped.map((fingerprint) => ({ delete: certificateKey(fingerprint) }));
}
