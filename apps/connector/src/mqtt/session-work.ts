import type { Answers, Frame, PublishPacket } from '@sallyport/mqtt-wire';
import type { SessionLimits } from './session-limits.js';
import type { SessionTerms } from './session-terms.js';

/** What a session does with the packets of its client once it is open. */
export interface SessionWork {
  publish(packet: PublishPacket): void;
  acknowledge(packetId: number): void;
  /** Everything that was published so far has been answered. */
  readonly isIdle: boolean;
  end(): void;
}

/** What the work of a session needs of it. */
export interface SessionLink {
  readonly terms: SessionTerms;
  readonly limits: SessionLimits;
  readonly answers: Answers;
  send(frame: Frame, packetId: number): void;
  hold(): void;
  resume(): void;
  idle(): void;
  /** Answers a publication that is not taken: with a code in MQTT 5, by the end of the connection before it. */
  refusePublication(packet: PublishPacket, code: number, reason: string): void;
  cut(reason: string, code: number): void;
  note(text: string, fields: Readonly<Record<string, unknown>>): void;
}

/** What the MQTT entrance has done since it started. */
export class SessionCounters {
  /** Sessions of devices that are open now. */
  sessions = 0;
  publications = 0;
  publicationsRefused = 0;
  takeOvers = 0;
  readonly refusals = new Map<string, number>();

  refused(reason: string): void {
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
  }
}
