import { Injectable } from '@nestjs/common';
import { KeyedSerialQueue } from '@sallyport/concurrency';
import type { DeviceId } from '@sallyport/protocol';
import { FaultLog, Log, SystemClock } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { Timeline } from '@sallyport/timeline';
import type { ClientContact } from './client-contact.js';

/** The events `connect` and `disconnect`. A session does not wait for them, so a crash may lose one. */
@Injectable()
export class SessionEvents {
  private readonly faults: FaultLog;
  private readonly queues = new KeyedSerialQueue<DeviceId>();

  constructor(
    private readonly timeline: Timeline,
    private readonly store: Store,
    log: Log,
  ) {
    this.faults = new FaultLog(log, new SystemClock(), 'event of a session was not recorded');
  }

  /** Records the event, after those of the same device before it. */
  tell(type: 'connect' | 'disconnect', device: DeviceId, { connector, remoteAddress }: ClientContact): void {
    const event = { type, device, connector, protocol: 'mqtt', address: remoteAddress } as const;
    void this.queues
      .run(device, async () => void (await this.store.transaction([], this.timeline.record(event))))
      .catch(this.faults.note);
  }

  /** Resolves when everything told so far is recorded, or has failed. */
  async idle(): Promise<void> {
    await this.queues.idle();
  }
}
