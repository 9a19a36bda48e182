import { Semaphore } from '@sallyport/concurrency';
import { ocfUuidOf } from '@sallyport/protocol';
import type { DeviceOwners, OwnerChange } from './device-owners.js';
import type { SignedInDevices } from './signed-in-devices.js';
import { SignedInSession } from './signed-in-session.js';

// Owners that are asked for at a time, after changes that may have been missed.
const askedAtOnce = 16;

/** Ends sessions whose user does not own the device any more. */
export class OwnerWatch {
  /** Sessions whose owner may have changed unheard, until the registry has answered. */
  private readonly unsure = new Set<SignedInSession>();
  private readonly questions = new Semaphore(askedAtOnce);
  private isAsking = false;

  constructor(
    private readonly owners: DeviceOwners,
    private readonly devices: SignedInDevices,
  ) {
    owners.onChange((change) => this.follow(change));
  }

  /** Asks about the sessions that nobody is sure of. Called every second, so that an outage of the registry ends well. */
  async askAgain(): Promise<void> {
    if (this.isAsking || this.unsure.size === 0) return;
    this.isAsking = true;
    await Promise.all([...this.unsure].map((session) => this.ask(session)));
    this.isAsking = false;
  }

  private follow(change: OwnerChange): void {
    if (change === 'resynchronise') {
      for (const session of this.devices.all) if (session instanceof SignedInSession) this.unsure.add(session);
      void this.askAgain();
      return;
    }
    const device = ocfUuidOf(change.deviceId);
    const session = device === undefined ? undefined : this.devices.find(device);
    if (session instanceof SignedInSession && session.owner !== change.owner)
      session.end('the device has another owner');
  }

  private async ask(session: SignedInSession): Promise<void> {
    await this.questions.acquire();
    try {
      const isOwned = session.signal.aborted || (await this.owners.isOwner(session));
      this.unsure.delete(session);
      if (!isOwned) session.end('the device has another owner');
    } catch {
      // The registry does not answer, and `owners` has said so in the log. The session stays in the set.
    } finally {
      this.questions.release();
    }
  }
}
