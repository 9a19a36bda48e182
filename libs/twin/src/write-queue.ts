import { Problem } from '@sallyport/protocol';
import type { Operation, Store } from '@sallyport/store';
import { CommitPlan, type PendingWrite, type StampedWrite } from './commit-plan.js';
import type { DeviceState } from './device-state.js';
import type { DeviceStates } from './device-states.js';
import { type StoredWrite, sizeOf } from './stored-write.js';
import type { Micros } from './values.js';

// The store makes at most 1000 conditions and changes at once, and a write needs up to four.
const mostWrites = 200;
const mostBytes = 4 * 1024 * 1024;
const mostAttempts = 5;
// A message to other processes must stay far below the largest value of the store.
const announcedBytes = 256 * 1024;

export type Announced = readonly [deviceId: string, atMicros: Micros, write: StoredWrite];

export interface WriteQueueOptions {
  readonly store: Store;
  readonly states: DeviceStates;
  readonly nowMicros: () => Micros;
  /** The operation that tells of some writes of a commit. */
  readonly announce: (writes: readonly Announced[]) => Operation;
  /** Called with the writes of each commit that was made. */
  readonly onCommitted: (writes: readonly Announced[]) => void;
  readonly onWritten: (deviceId: string) => void;
}

/**
 * Writes of all devices, one commit after the other. What arrives during a commit goes into the next one: a durable
 * commit costs the same for one write and for two hundred.
 *
 * A commit is made only if every device in it is as we know it. If another process has written one of them meanwhile, we
 * read the devices again and repeat.
 */
export class WriteQueue {
  private readonly waiting: PendingWrite[] = [];
  private isRunning = false;

  constructor(private readonly options: WriteQueueOptions) {}

  /** Resolves to the time of the write when it is durable. */
  write(deviceId: string, write: StoredWrite, recordWith?: (atMicros: Micros) => Operation[]): Promise<Micros> {
    const bytes = sizeOf(write);
    return new Promise((resolve, reject) => {
      this.waiting.push({ deviceId, write, bytes, recordWith, isRefused: false, resolve, reject });
      if (!this.isRunning) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    // Collect the writes of this turn of the event loop.
    await new Promise(setImmediate);
    while (this.waiting.length > 0) await this.commit(this.nextGroup());
    this.isRunning = false;
  }

  private nextGroup(): PendingWrite[] {
    let [count, bytes] = [0, 0];
    for (const pending of this.waiting) {
      if (count > 0 && (count >= mostWrites || bytes + pending.bytes > mostBytes)) break;
      [count, bytes] = [count + 1, bytes + pending.bytes];
    }
    return this.waiting.splice(0, count);
  }

  /** Commits a group. Every write of it is resolved or rejected after that. */
  private async commit(group: readonly PendingWrite[]): Promise<void> {
    try {
      for (let attempt = 1; attempt <= mostAttempts; attempt += 1) if (await this.tryCommit(group, attempt)) return;
      throw new Problem('unavailable', 'Other processes write the same devices at the same time. Try again.');
    } catch (error) {
      // One write that the store refuses fails its group. So try each alone: only that one fails.
      if (group.length > 1 && !isUnavailable(error)) for (const pending of group) await this.commit([pending]);
      else for (const pending of group) pending.reject(error);
    }
  }

  private async tryCommit(group: readonly PendingWrite[], attempt: number): Promise<boolean> {
    const plan = new CommitPlan(await this.statesOf(group, attempt > 1), this.options.nowMicros());
    for (const pending of group) plan.add(pending);
    if (plan.writes.length === 0) return true;
    const operations = [...plan.operations(), ...announcements(plan.writes, this.options.announce)];
    const { committed } = await this.options.store.transaction(plan.conditions(), operations);
    if (!committed) return false;
    this.options.onCommitted(plan.writes.map(announcedFrom));
    for (const [deviceId, state] of plan.statesAfter()) {
      this.options.states.keep(deviceId, state);
      this.options.onWritten(deviceId);
    }
    for (const { atMicros, pending } of plan.writes) pending.resolve(atMicros);
    return true;
  }

  private async statesOf(group: readonly PendingWrite[], again: boolean): Promise<Map<string, DeviceState>> {
    const { states } = this.options;
    const known = new Map<string, DeviceState>();
    const unknown = new Set<string>();
    for (const { deviceId } of group) {
      const cached = again ? undefined : states.cached(deviceId);
      if (cached === undefined) unknown.add(deviceId);
      else known.set(deviceId, cached);
    }
    const read = async (deviceId: string): Promise<void> => {
      known.set(deviceId, await (again ? states.readAgain(deviceId) : states.read(deviceId)));
    };
    if (unknown.size > 0) await Promise.all([...unknown].map(read));
    return known;
  }
}

/** Tells of every write, in messages of a limited size. */
function announcements(writes: readonly StampedWrite[], announce: WriteQueueOptions['announce']): Operation[] {
  const operations: Operation[] = [];
  let [message, bytes]: [Announced[], number] = [[], 0];
  for (const { pending, atMicros } of writes) {
    if (bytes > 0 && bytes + pending.bytes > announcedBytes) {
      operations.push(announce(message));
      [message, bytes] = [[], 0];
    }
    message.push(announcedFrom({ pending, atMicros }));
    bytes += pending.bytes;
  }
  return [...operations, announce(message)];
}

function announcedFrom({ pending, atMicros }: StampedWrite): Announced {
  return [pending.deviceId, atMicros, pending.write];
}

function isUnavailable(error: unknown): boolean {
  return error instanceof Problem && error.type === 'unavailable';
}
