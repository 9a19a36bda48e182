import type { Condition, Operation } from '@sallyport/store';
import type { DeviceState } from './device-state.js';
import { seriesKey, stateKey } from './device-states.js';
import type { StoredWrite } from './stored-write.js';
import type { Micros } from './values.js';

/** A write that waits for its commit. */
export interface PendingWrite {
  readonly deviceId: string;
  readonly write: StoredWrite;
  /** About its size as JSON. */
  readonly bytes: number;
  readonly recordWith: ((atMicros: Micros) => Operation[]) | undefined;
  /** Its caller was told that it is not possible, so a later attempt must leave it out. */
  isRefused: boolean;
  readonly resolve: (atMicros: Micros) => void;
  readonly reject: (error: unknown) => void;
}

/** A write with the time it gets if the commit is made. */
export interface StampedWrite {
  readonly pending: PendingWrite;
  readonly atMicros: Micros;
}

interface DevicePlan {
  readonly known: DeviceState;
  readonly expectedNewest: Micros;
  readonly first: StampedWrite;
  /** A new snapshot is stored with it, so that nothing of before comes back from the old one. */
  forgets: boolean;
  /** How the device is after the commit, where we need to know it before. */
  after?: DeviceState;
}

/** One commit: the writes of some devices, and what must hold for it. Changes no state, because it may fail. */
export class CommitPlan {
  readonly writes: StampedWrite[] = [];
  private readonly devices = new Map<string, DevicePlan>();

  constructor(
    private readonly known: ReadonlyMap<string, DeviceState>,
    private readonly nowMicros: Micros,
  ) {}

  /** Adds a write, or rejects it when its device would have too many values. */
  add(pending: PendingWrite): void {
    const known = this.known.get(pending.deviceId);
    if (known === undefined || pending.isRefused) return;
    try {
      this.addTo(known, pending);
    } catch (error) {
      pending.isRefused = true;
      pending.reject(error);
    }
  }

  /** What must hold: nobody else has written these devices since we read them. */
  conditions(): Condition[] {
    return [...this.devices].map(([deviceId, { expectedNewest }]) => ({
      series: seriesKey(deviceId),
      newest: expectedNewest,
    }));
  }

  operations(): Operation[] {
    return [
      ...this.writes.flatMap(operationsOf),
      ...[...this.devices].flatMap(([deviceId, plan]) => this.upkeep(deviceId, plan)),
    ];
  }

  /** The states of the devices, after the commit was made. */
  *statesAfter(): Generator<readonly [string, DeviceState]> {
    for (const [deviceId, { known, first, after }] of this.devices) {
      if (after === undefined) known.apply(first.atMicros, first.pending.write);
      yield [deviceId, after ?? known];
    }
  }

  private addTo(known: DeviceState, pending: PendingWrite): void {
    const planned = this.devices.get(pending.deviceId);
    const before = planned === undefined ? known : stateAfter(planned);
    before.check(pending.write);
    const stamped = { pending, atMicros: Math.max(this.nowMicros, before.newest + 1) };
    this.writes.push(stamped);
    const forgets = pending.write.kind === 'forgotten';
    if (planned === undefined) {
      this.devices.set(pending.deviceId, { known, expectedNewest: known.newest, first: stamped, forgets });
      return;
    }
    before.apply(stamped.atMicros, pending.write);
    planned.forgets ||= forgets;
  }

  /** A snapshot from time to time, and an end to the history. */
  private upkeep(deviceId: string, plan: DevicePlan): Operation[] {
    if (!plan.known.needsSnapshot && !plan.forgets) return [];
    const after = stateAfter(plan);
    const trim = after.trimHistory({ olderThan: 0 });
    return [
      { put: stateKey(deviceId), value: after.takeSnapshot() },
      ...(trim === undefined ? [] : [{ trim: seriesKey(deviceId), before: trim }]),
    ];
  }
}

function operationsOf({ pending, atMicros }: StampedWrite): Operation[] {
  const { deviceId, write, recordWith } = pending;
  const append: Operation = { append: seriesKey(deviceId), value: write, at: atMicros };
  const before: Operation[] = write.kind === 'forgotten' ? [{ drop: seriesKey(deviceId) }] : [];
  return [...before, append, ...(recordWith?.(atMicros) ?? [])];
}

function stateAfter(plan: DevicePlan): DeviceState {
  if (plan.after === undefined) {
    plan.after = plan.known.copy();
    plan.after.apply(plan.first.atMicros, plan.first.pending.write);
  }
  return plan.after;
}
