import { type DeviceId, mostReportedContacts, type ReportedContact, reportContacts } from '@sallyport/protocol';
import { type ConnectedContext, FaultLog } from '@sallyport/runtime';
import { registryDeadlineMs } from './registry-answers.js';

const reportEveryMs = 5_000;
// About 3 MB. A fleet that comes in faster is seen again at its next contact.
const mostWaiting = 20_000;

/** A device that came in without a question to the registry. */
export type SeenDevice = Pick<ReportedContact, 'deviceId' | 'entrance' | 'remoteAddress'>;

/**
 * Tells the registry about contacts for which it was not asked: one message every 5 seconds for the whole service. A
 * contact costs no message. No decision depends on them, so what cannot be told may be lost.
 */
export class ContactReports {
  private readonly faults: FaultLog;
  private readonly waiting = new Map<DeviceId, ReportedContact>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly context: ConnectedContext) {
    this.faults = new FaultLog(context.log, context.clock, 'contacts of devices could not be reported');
  }

  start(): void {
    this.timer = setInterval(() => void this.send(), reportEveryMs);
    this.timer.unref();
  }

  /** Sends what is waiting. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.send();
  }

  note({ deviceId, entrance, remoteAddress }: SeenDevice): void {
    const before = this.waiting.get(deviceId);
    if (before === undefined && this.waiting.size >= mostWaiting) return;
    const at = this.context.clock.now().toISOString();
    this.waiting.set(deviceId, { deviceId, entrance, remoteAddress, at, contacts: 1 + (before?.contacts ?? 0) });
  }

  /** Sends one message, with those devices that have waited longest. */
  async send(): Promise<void> {
    const contacts = [...this.waiting.values()].slice(0, mostReportedContacts);
    if (contacts.length === 0) return;
    for (const { deviceId } of contacts) this.waiting.delete(deviceId);
    try {
      await this.context.rpc.call(reportContacts, { contacts }, { deadlineMs: registryDeadlineMs });
    } catch (error) {
      this.faults.note(error);
      this.keep(contacts);
    }
  }

  /** The registry may have counted them, so only their time is told again. */
  private keep(contacts: readonly ReportedContact[]): void {
    for (const contact of contacts)
      if (this.waiting.size < mostWaiting && !this.waiting.has(contact.deviceId))
        this.waiting.set(contact.deviceId, { ...contact, contacts: 0 });
  }
}
