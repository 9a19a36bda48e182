import { randomUUID } from 'node:crypto';
import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { KeyedSerialQueue, PeriodicWork, pause } from '@sallyport/concurrency';
import { type OcfUuid, Problem } from '@sallyport/protocol';
import { Clock, FaultLog, Log } from '@sallyport/runtime';
import { type Entry, Store, type WatchEvent } from '@sallyport/store';
import {
  type Command,
  type CommandOutcome,
  commandFrom,
  isPending,
  largestCommandBytes,
  type NewCommand,
} from './command.js';

const prefix = 'commands/';
const retryMs = 1_000;
const mostPending = 100;
// With their bodies they may be large.
const pageSize = 10;
// The one who asked may be at another replica, or come late.
const resultSeconds = 60;
// A command that was sent just before its time was up still gets its answer.
const graceSeconds = 120;

/** A command with the revision of its entry. */
export interface StoredCommand extends Command {
  readonly revision: number;
}

/** A command that a device has not answered, without its body. */
export type PendingEntry = Omit<Command, 'body' | 'outcome'>;

/** How a wait for a command ended. `pending`: it goes on without the one who waited. */
export type Wait = { readonly kind: 'pending' | 'expired' | 'cancelled' } | CommandOutcome;

/** Called for each device that has a new command, from this replica or another. */
export type CommandListener = (device: OcfUuid) => void;

interface Waiter {
  readonly resolve: (outcome: CommandOutcome | 'lost') => void;
}

/**
 * The commands for devices, in the store. They wait for their device there; the replica where the device is signed in
 * sends them, and every replica learns what came of them.
 *
 * Every method throws Problem as the store does.
 */
@Injectable()
export class Commands implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly waiters = new Map<string, Set<Waiter>>();
  private readonly listeners = new Set<CommandListener>();
  private readonly submissions = new KeyedSerialQueue<OcfUuid>();
  private readonly following: PeriodicWork;

  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
    log: Log,
  ) {
    const { note: onError } = new FaultLog(log, clock, 'commands of other replicas are not heard, will try again');
    this.following = new PeriodicWork({ everyMs: retryMs, work: (signal) => this.follow(signal), onError });
  }

  onApplicationBootstrap(): void {
    this.following.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.following.stop();
    for (const id of [...this.waiters.keys()]) this.settle(id, 'lost');
  }

  /** @returns ends the calls */
  onCommand(listener: CommandListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /**
   * Makes a command, and calls the device's replica.
   *
   * @throws Problem `too-large`: its body; `rate-limited`: too many wait for the device already
   */
  async submit({ ttlSeconds, ...order }: NewCommand): Promise<Command> {
    if ((order.body?.base64.length ?? 0) > (largestCommandBytes * 4) / 3)
      throw new Problem('too-large', `A command takes at most ${largestCommandBytes} bytes. Send less.`);
    // One after the other: to count reads what there is of the device.
    const command = await this.submissions.run(order.device, () => this.record(order, ttlSeconds));
    this.call(command.device);
    return command;
  }

  private async record(order: Omit<NewCommand, 'ttlSeconds'>, ttlSeconds: number): Promise<Command> {
    const waiting = (await this.pendingOf(order.device)).length;
    if (waiting >= mostPending)
      throw new Problem('rate-limited', `${waiting} commands wait for the device. Cancel some, or wait.`);
    const createdAtMs = this.nowMs();
    const validUntil = ttlSeconds === 0 ? {} : { validUntilMs: createdAtMs + ttlSeconds * 1000 };
    const command: Command = { ...order, id: randomUUID(), createdAtMs, ...validUntil };
    await this.store.put(keyOf(command), plain(command), {
      ifRevision: 0,
      ...(ttlSeconds === 0 ? {} : { ttlSeconds: ttlSeconds + graceSeconds }),
    });
    return command;
  }

  /**
   * What comes of a command. It is told once: afterwards nothing of the command is left.
   *
   * @param deadlineMs how long to wait; afterwards it is `pending`
   */
  async outcomeOf(command: Command, { deadlineMs, signal }: WaitOptions): Promise<Wait> {
    const { promise, resolve } = Promise.withResolvers<CommandOutcome | 'lost'>();
    const leave = this.listen(command.id, { resolve });
    const lastMs = command.validUntilMs === undefined ? deadlineMs : command.validUntilMs - this.nowMs();
    const ended = new AbortController();
    const all = AbortSignal.any([ended.signal, ...(signal === undefined ? [] : [signal])]);
    const late = pause(Math.max(0, Math.min(deadlineMs, lastMs)), { signal: all }).then(() => 'late' as const);
    try {
      // What was written before anybody listened, such as by a device of this process.
      const present = this.present(command).then((found) => found ?? promise);
      const first = await Promise.race([present, late]);
      const wait = typeof first === 'string' ? await this.unsettled(command) : first;
      if (wait.kind === 'answered' || wait.kind === 'unavailable')
        await this.store.delete(keyOf(command)).catch(ignore);
      return wait;
    } finally {
      ended.abort();
      leave();
    }
  }

  /** Commands that a device has not answered, oldest first. */
  async pendingOf(device: OcfUuid): Promise<PendingEntry[]> {
    const nowMs = this.nowMs();
    const found: PendingEntry[] = [];
    for await (const { value } of this.store.listAll(`${prefix}${device}/`, { pageSize })) {
      const { body: _, ...command } = commandFrom(value);
      if (isPending(command, nowMs)) found.push(command);
    }
    return found.toSorted((one, other) => one.createdAtMs - other.createdAtMs);
  }

  async find(command: Pick<Command, 'device' | 'id'>): Promise<StoredCommand | undefined> {
    const entry = await this.store.get(keyOf(command));
    return entry && storedFrom(entry);
  }

  /** @throws Problem `not-found`: there is no such command, or the device has answered it */
  async cancel(device: OcfUuid, id: string): Promise<Command> {
    const entry = await this.store.get(keyOf({ device, id }));
    if (entry === undefined || !isPending(commandFrom(entry.value), this.nowMs()))
      throw new Problem('not-found', `No command ${id} waits for the device.`);
    await this.store.delete(entry.key, { ifRevision: entry.revision });
    this.settle(id, 'lost');
    return commandFrom(entry.value);
  }

  /** Notes that a command is sent now. @returns undefined: somebody else has it, or it was cancelled */
  async claim({ revision, ...command }: StoredCommand, connectionId: string): Promise<StoredCommand | undefined> {
    const sent: Command = { ...command, sentOn: connectionId };
    const next = await this.replace(sent, revision, { ttlSeconds: graceSeconds });
    return next === undefined ? undefined : { ...sent, revision: next };
  }

  /** Notes what came of a command. Nothing happens when it was cancelled meanwhile. */
  async finish({ revision, ...command }: StoredCommand, outcome: CommandOutcome): Promise<void> {
    const next = await this.replace({ ...command, outcome }, revision, { ttlSeconds: resultSeconds });
    if (next !== undefined) this.settle(command.id, outcome);
  }

  /** Removes every command of a device. */
  async forget(device: OcfUuid): Promise<void> {
    for await (const { key } of this.store.listAll(`${prefix}${device}/`)) await this.store.delete(key);
  }

  private async replace(
    command: Command,
    revision: number,
    { ttlSeconds }: { readonly ttlSeconds: number },
  ): Promise<number | undefined> {
    const key = keyOf(command);
    const outcome = await this.store.transaction(
      [{ key, revision }],
      [{ put: key, value: plain(command), ttlSeconds }],
    );
    return outcome.committed ? outcome.revision : undefined;
  }

  private async present(command: Command): Promise<CommandOutcome | 'lost' | undefined> {
    const entry = await this.store.get(keyOf(command));
    return entry === undefined ? 'lost' : commandFrom(entry.value).outcome;
  }

  /** Nothing came of it until now. */
  private async unsettled(command: Command): Promise<Wait> {
    const entry = await this.store.get(keyOf(command));
    const present = entry === undefined ? undefined : commandFrom(entry.value);
    if (present?.outcome !== undefined) return present.outcome;
    if (present !== undefined && isPending(present, this.nowMs())) return { kind: 'pending' };
    const isOver = command.validUntilMs !== undefined && command.validUntilMs <= this.nowMs();
    return { kind: isOver ? 'expired' : 'cancelled' };
  }

  private listen(id: string, waiter: Waiter): () => void {
    const waiters = this.waiters.get(id) ?? new Set();
    this.waiters.set(id, waiters.add(waiter));
    return () => {
      waiters.delete(waiter);
      if (waiters.size === 0 && this.waiters.get(id) === waiters) this.waiters.delete(id);
    };
  }

  private settle(id: string, outcome: CommandOutcome | 'lost'): void {
    for (const { resolve } of this.waiters.get(id) ?? []) resolve(outcome);
  }

  private call(device: OcfUuid): void {
    for (const listener of this.listeners) listener(device);
  }

  /** Follows what the other replicas do. */
  private async follow(signal: AbortSignal): Promise<void> {
    // Watch before reading. Otherwise what comes in between would not be noticed.
    const changes = this.store.watch(prefix, { signal });
    for await (const entry of this.store.listAll(prefix, { pageSize })) this.hear({ type: 'put', entry });
    for await (const change of changes) this.hear(change);
  }

  private hear(event: WatchEvent): void {
    if (event.type === 'delete') {
      this.settle(event.key.split('/').at(-1) ?? '', 'lost');
      return;
    }
    const { id, device, outcome, sentOn } = commandFrom(event.entry.value);
    if (outcome !== undefined) this.settle(id, outcome);
    else if (sentOn === undefined) this.call(device);
  }

  private nowMs(): number {
    return this.clock.now().getTime();
  }
}

interface WaitOptions {
  readonly deadlineMs: number;
  /** Ends the wait early. */
  readonly signal?: AbortSignal;
}

function keyOf({ device, id }: Pick<Command, 'device' | 'id'>): string {
  return `${prefix}${device}/${id}`;
}

function storedFrom({ value, revision }: Entry): StoredCommand {
  return { ...commandFrom(value), revision };
}

function plain(command: Command) {
  return { ...command };
}

function ignore(): void {}
