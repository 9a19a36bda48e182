import { CoapError } from '@sallyport/coap-wire';
import { RepeatFilter } from '@sallyport/concurrency';
import { Problem, printable } from '@sallyport/protocol';
import type { Log } from '@sallyport/runtime';
import type { DeviceSession } from '../sessions/device-session.js';

/** What went wrong with a resource of a device. */
export interface DeviceFault {
  readonly error: unknown;
  /** A constant sentence, for the log. */
  readonly what: string;
  readonly href?: string | undefined;
}

const periodMs = 60_000;
const mostSources = 1_000;

/** Writes down what goes wrong with resources. A device may send nonsense all day: the same is logged once in a minute. */
export class DeviceFaults {
  private readonly repeats = new RepeatFilter({ periodMs, mostSources });

  constructor(private readonly log: Log) {}

  /** A session that has ended takes what is under way with it; that is no fault. */
  note({ deviceId, connectionId, signal }: DeviceSession, { error, what, href }: DeviceFault): void {
    if (signal.aborted) return;
    const leftOut = this.repeats.pass(`${deviceId} ${what}`, performance.now());
    if (leftOut === undefined) return;
    // What the device did wrong is said without a stack.
    const isOfDevice = error instanceof CoapError || error instanceof Problem;
    const cause = isOfDevice ? { reason: printable(error.message) } : { error };
    const place = href === undefined ? {} : { href };
    this.log.warn({ deviceId, connectionId, ...place, ...cause, leftOut }, what);
  }
}
