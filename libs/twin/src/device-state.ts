import type { JsonValue } from '@sallyport/store';
import { z } from 'zod';
import { tooLarge, twinLimits } from './limits.js';
import type { RetentionBounds } from './retention.js';
import { pointFrom, type StoredValue, type StoredWrite, sizeOf } from './stored-write.js';
import type { Alias, Micros, Point, Resource } from './values.js';

const moment = z.tuple([z.string(), z.number()]);
const chunk = z.tuple([z.number(), z.number(), z.number()]);
const snapshot = z.object({
  newest: z.number(),
  newestRecorded: z.number(),
  resources: z.array(z.tuple([z.string(), moment.nullable(), moment.nullable()])),
  chunks: z.array(chunk),
});

// A state is read as its last snapshot and what was written since. So this limits what a cold device costs.
const snapshotEveryWrites = 64;
const snapshotEveryBytes = 256 * 1024;

const needsNoEscape = /^[ !#-[\]-~]*$/;

/** A part of the history: the id of its first item, how many writes, how many bytes. */
interface Chunk {
  readonly first: number;
  writes: number;
  bytes: number;
}

/**
 * What the store holds of a device, up to the item `newest` of its series. Writes are applied in the order of their ids,
 * and each only once. So every process that has read the same items has the same state.
 */
export class DeviceState {
  /** The id of the last applied item: the time of the last write; 0 before the first. */
  newest = 0;
  /** The id of the last item with values of the past. No later item holds a point that is older than the item. */
  newestRecorded = 0;
  private readonly resourceOf = new Map<Alias, Resource>();
  private chunks: Chunk[] = [];
  private writesSinceSnapshot = 0;
  private bytesSinceSnapshot = 0;
  private stateBytes = 0;
  private hasSnapshot = false;

  constructor(private readonly bounds: RetentionBounds) {}

  static fromSnapshot(json: JsonValue, bounds: RetentionBounds): DeviceState {
    const stored = snapshot.parse(json);
    const state = new DeviceState(bounds);
    state.newest = stored.newest;
    state.newestRecorded = stored.newestRecorded;
    state.chunks = stored.chunks.map(([first, writes, bytes]) => ({ first, writes, bytes }));
    for (const [alias, reported, desired] of stored.resources)
      state.put(alias, {
        ...(reported === null ? {} : { reported: { alias, value: reported[0], atMicros: reported[1] } }),
        ...(desired === null ? {} : { desired: { alias, value: desired[0], atMicros: desired[1] } }),
      });
    state.hasSnapshot = true;
    return state;
  }

  copy(): DeviceState {
    const state = new DeviceState(this.bounds);
    state.newest = this.newest;
    state.newestRecorded = this.newestRecorded;
    for (const [alias, resource] of this.resourceOf) state.resourceOf.set(alias, resource);
    state.stateBytes = this.stateBytes;
    state.chunks = this.chunks.map((chunk) => ({ ...chunk }));
    state.writesSinceSnapshot = this.writesSinceSnapshot;
    state.bytesSinceSnapshot = this.bytesSinceSnapshot;
    state.hasSnapshot = this.hasSnapshot;
    return state;
  }

  get resources(): ReadonlyMap<Alias, Resource> {
    return this.resourceOf;
  }

  /** About how much memory the state takes. */
  get memoryBytes(): number {
    return 500 + this.stateBytes * 2 + this.resourceOf.size * 300 + this.chunks.length * 40;
  }

  /** Guards a write. @throws Problem `too-large`: the device would have too many or too large values */
  check(write: StoredWrite): void {
    if (write.kind === 'removed') return;
    let [bytes, aliases] = [this.stateBytes, this.resourceOf.size];
    for (const value of write.values) {
      const point = pointFrom(value, this.newest + 1);
      const known = this.resourceOf.get(point.alias);
      aliases += known === undefined ? 1 : 0;
      bytes += resourceBytes(point.alias, after(write.kind, known ?? {}, point)) - resourceBytes(point.alias, known);
    }
    if (aliases > twinLimits.aliases)
      throw tooLarge(
        `The device would have ${aliases} aliases; the limit is ${twinLimits.aliases}. Use fewer different names.`,
      );
    if (bytes > twinLimits.stateBytes)
      throw tooLarge(
        `The values of the device would take ${bytes} bytes; the limit is ${twinLimits.stateBytes}. Write smaller values.`,
      );
  }

  /** Takes over an item of the series. An item that is applied already changes nothing. */
  apply(id: number, write: StoredWrite): void {
    if (id <= this.newest) return;
    if (write.kind === 'forgotten') this.clear();
    for (const value of write.values) this.applyValue(write.kind, value, id);
    if (write.kind === 'recorded') this.newestRecorded = id;
    this.newest = id;
    this.count(id, sizeOf(write));
  }

  /** Whether the next write stores a snapshot too. The first write of a device does, so that the device can be listed. */
  get needsSnapshot(): boolean {
    return (
      !this.hasSnapshot ||
      this.writesSinceSnapshot >= snapshotEveryWrites ||
      this.bytesSinceSnapshot >= snapshotEveryBytes
    );
  }

  /** Leaves out the parts of the history that are not kept. Returns the id of the first item that stays, if any goes. */
  trimHistory({ olderThan }: { readonly olderThan: Micros }): number | undefined {
    let [writes, bytes, dropped] = [0, 0, 0];
    for (const chunk of this.chunks) [writes, bytes] = [writes + chunk.writes, bytes + chunk.bytes];
    for (const [index, chunk] of this.chunks.entries()) {
      const next = this.chunks[index + 1];
      if (next === undefined) break;
      if (writes <= this.bounds.writes && bytes <= this.bounds.bytes && next.first > olderThan) break;
      [writes, bytes, dropped] = [writes - chunk.writes, bytes - chunk.bytes, index + 1];
    }
    this.chunks.splice(0, dropped);
    return dropped === 0 ? undefined : this.chunks[0]?.first;
  }

  /** Whether there may be writes to leave out. The newest write always stays. */
  hasHistoryBefore(cutOff: Micros): boolean {
    const [oldest] = this.chunks;
    return (
      oldest !== undefined &&
      oldest.first < cutOff &&
      (this.chunks.length > 1 || oldest.writes > 1 || this.resourceOf.size === 0)
    );
  }

  /** Leaves out all but the newest write. Returns its id. */
  keepNewest(): number {
    this.chunks = [{ first: this.newest, writes: 1, bytes: this.chunks.at(-1)?.bytes ?? 0 }];
    return this.newest;
  }

  /** The snapshot to store. From then on it counts as stored. */
  takeSnapshot(): JsonValue {
    this.hasSnapshot = true;
    this.writesSinceSnapshot = 0;
    this.bytesSinceSnapshot = 0;
    const pair = (point: Point | undefined) => (point === undefined ? null : [point.value, point.atMicros]);
    return {
      newest: this.newest,
      newestRecorded: this.newestRecorded,
      resources: [...this.resourceOf].map(([alias, { reported, desired }]) => [alias, pair(reported), pair(desired)]),
      chunks: this.chunks.map(({ first, writes, bytes }) => [first, writes, bytes]),
    };
  }

  private applyValue(kind: StoredWrite['kind'], value: StoredValue, id: number): void {
    const point = pointFrom(value, id);
    if (kind === 'removed') this.remove(point);
    else this.put(point.alias, after(kind, this.resourceOf.get(point.alias) ?? {}, point));
  }

  private put(alias: Alias, resource: Resource): void {
    this.stateBytes += resourceBytes(alias, resource) - resourceBytes(alias, this.resourceOf.get(alias));
    this.resourceOf.set(alias, resource);
  }

  private remove({ alias, atMicros }: Point): void {
    const known = this.resourceOf.get(alias);
    if (known === undefined || latestOf(known) > atMicros) return;
    this.stateBytes -= resourceBytes(alias, known);
    this.resourceOf.delete(alias);
  }

  private clear(): void {
    this.resourceOf.clear();
    this.chunks = [];
    this.stateBytes = 0;
    this.newestRecorded = 0;
  }

  private count(id: number, bytes: number): void {
    this.writesSinceSnapshot += 1;
    this.bytesSinceSnapshot += bytes;
    const last = this.chunks.at(-1);
    const isFull =
      last !== undefined && (last.writes >= this.bounds.writes / 32 || last.bytes >= this.bounds.bytes / 32);
    if (last === undefined || isFull) {
      this.chunks.push({ first: id, writes: 1, bytes });
      return;
    }
    last.writes += 1;
    last.bytes += bytes;
  }
}

/** A resource after a write. A device that writes an alias acknowledges what was desired of it, whatever it writes. */
function after(kind: StoredWrite['kind'], known: Resource, point: Point): Resource {
  if (kind === 'desired') return { ...known, desired: point };
  const { reported, desired } = known;
  if (reported !== undefined && reported.atMicros > point.atMicros) return known;
  if (desired === undefined) return { reported: point };
  return { reported: point, desired: desired.atMicros > point.atMicros ? desired : point };
}

function latestOf({ reported, desired }: Resource): Micros {
  return Math.max(reported?.atMicros ?? 0, desired?.atMicros ?? 0);
}

function resourceBytes(alias: Alias, resource: Resource | undefined): number {
  if (resource === undefined) return 0;
  const of = (point: Point | undefined) => (point === undefined ? 4 : jsonBytes(point.value) + 20);
  return jsonBytes(alias) + of(resource.reported) + of(resource.desired) + 6;
}

/** The size of a text as JSON. */
function jsonBytes(text: string): number {
  return needsNoEscape.test(text) ? text.length + 2 : Buffer.byteLength(JSON.stringify(text));
}
