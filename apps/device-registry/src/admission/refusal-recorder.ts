import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import type { AuditEntry } from '@sallyport/audit';
import { AuditLog } from '@sallyport/audit';
import { type DeviceId, deviceId, type RefusalReport } from '@sallyport/protocol';
import { Clock, type FaultLog, InnerFaultLog, Log } from '@sallyport/runtime';
import type { Operation } from '@sallyport/store';
import { type DeviceRecord, foldedName } from '../devices/device-record.js';
import { Devices } from '../devices/devices.js';
import { RecordingBudget } from './recording-budget.js';

const summaryIntervalMs = 60_000;

/** A peer that was turned away, by an entrance or by the registry. */
export type Refusal = RefusalReport & {
  /** The name of the peer, when it has been verified. */
  readonly deviceId?: DeviceId | undefined;
};

/**
 * Writes refusals into the audit log and to the device they concern. It never fails and cannot fill the disk: equal
 * refusals get one row in ten minutes, and all rows together have a rate limit. Refusals without a row are counted, and
 * the count is written once a minute.
 */
@Injectable()
export class RefusalRecorder implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly budget: RecordingBudget;
  private readonly faults: FaultLog;
  private summaryTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly devices: Devices,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
    log: Log,
  ) {
    this.faults = new InnerFaultLog(log, clock, 'refusals could not be recorded');
    this.budget = new RecordingBudget(clock.now().getTime());
  }

  onApplicationBootstrap(): void {
    this.summaryTimer = setInterval(() => void this.writeSummary(), summaryIntervalMs);
    this.summaryTimer.unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.summaryTimer);
    await this.writeSummary();
  }

  /**
   * Records a refusal. Resolves when it is written or counted.
   *
   * @param more what is written with the row when a device is concerned
   */
  async note(refusal: Refusal, more: (device: DeviceRecord) => Operation[] = () => []): Promise<void> {
    this.budget.leaveOut(refusal.leftOut ?? 0);
    try {
      const name = refusal.deviceId ?? namedDevice(refusal.subject);
      const device = name === undefined ? undefined : (await this.devices.find(name))?.record;
      if (!this.budget.take(sourceOf(refusal, device), this.clock.now().getTime())) return;
      const operations = device === undefined ? [] : [await this.deviceOperation(device, refusal), ...more(device)];
      await this.audit.commit({ operations, entries: [auditEntry(refusal, device)] });
    } catch (error) {
      // The peer is refused in any case.
      this.faults.note(error);
    }
  }

  /** Writes how many refusals got no row since the last summary. */
  private async writeSummary(): Promise<void> {
    const count = this.budget.takeLeftOut();
    if (count === 0) return;
    const entry = { actor: 'device-registry', action: 'refusals-left-out', subject: 'peers', details: { count } };
    try {
      await this.audit.commit({ entries: [{ ...entry, outcome: 'refused' }] });
    } catch (error) {
      this.faults.note(error);
    }
  }

  private deviceOperation({ deviceId: name }: DeviceRecord, refusal: Refusal): Promise<Operation> {
    const { reason, entrance, remoteAddress, fingerprint } = refusal;
    const at = this.clock.now().toISOString();
    const seen = { at, reason, entrance, remoteAddress, ...(fingerprint === undefined ? {} : { fingerprint }) };
    return this.devices.refusalOperation(name, seen);
  }
}

function auditEntry(refusal: Refusal, device: DeviceRecord | undefined): AuditEntry {
  const { reason, entrance, remoteAddress, subject, deviceId: name, fingerprint } = refusal;
  return {
    actor: `entrance:${entrance}`,
    action: 'peer-refused',
    subject: name ?? device?.deviceId ?? subject ?? 'unknown peer',
    outcome: 'refused',
    details: {
      reason,
      remoteAddress,
      ...(subject === undefined ? {} : { subject }),
      ...(fingerprint === undefined ? {} : { fingerprint }),
    },
  };
}

// After a change of state, the same refusal gets a new row.
function sourceOf({ reason, fingerprint, remoteAddress }: Refusal, device: DeviceRecord | undefined): string {
  if (device === undefined) return `${reason} ${fingerprint ?? remoteAddress}`;
  return `${reason} ${foldedName(device.deviceId)} ${device.states[0]?.at}`;
}

/** The device named in a subject. This is no proof, but it tells an operator which device is refused. */
function namedDevice(subject: string | undefined): DeviceId | undefined {
  const commonName = subject?.match(/(?:\\.|[^,+\\])+/g)?.find((attribute) => attribute.startsWith('CN='));
  // RFC 4514 §2.4: a special character follows a backslash. Other characters are written as a backslash and two digits.
  // No device id contains such a character: the backslash stays in the text, and the check of the id fails.
  return deviceId.safeParse(commonName?.slice(3).replace(/\\([^0-9A-Fa-f])/g, '$1')).data;
}
