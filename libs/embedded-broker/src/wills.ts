import type { Will } from '@sallyport/mqtt-wire';
import type { Publication } from './message.js';
import { messageProperties } from './message-properties.js';
import type { Session } from './session.js';

interface DelayedWill {
  readonly will: Will;
  /** In milliseconds of the uptime. */
  readonly dueAt: number;
}

/**
 * Publishes the wills of clients that have gone without a word, at once or after their delay. They are in memory only: a
 * broker that crashes forgets them.
 *
 * @see MQTT 5.0 §3.1.2.5, §3.1.3.2.2
 */
export class Wills {
  private readonly delayed = new Map<Session, DelayedWill>();

  /** @param uptime milliseconds that only go forward */
  constructor(
    private readonly uptime: () => number,
    private readonly publish: (publication: Publication, session: Session) => void,
  ) {}

  /** The client of a session has gone. */
  take(session: Session, will: Will): void {
    const delaySeconds = Math.min(will.properties?.willDelayInterval ?? 0, session.expirySeconds);
    if (delaySeconds === 0) this.publishNow(session, will);
    else this.delayed.set(session, { will, dueAt: this.uptime() + delaySeconds * 1_000 });
  }

  /** The client has come back in time [MQTT-3.1.3-9]. */
  cancel(session: Session): void {
    this.delayed.delete(session);
  }

  /** The session has ended: its will does not wait any longer. */
  release(session: Session): void {
    const waiting = this.delayed.get(session);
    this.delayed.delete(session);
    if (waiting !== undefined) this.publishNow(session, waiting.will);
  }

  publishDue(): void {
    const now = this.uptime();
    for (const [session, { dueAt }] of this.delayed) if (dueAt <= now) this.release(session);
  }

  private publishNow(session: Session, { topic, payload, qos, retain, properties }: Will): void {
    this.publish({ topic, payload, qos, retain, properties: messageProperties(properties) }, session);
  }
}
