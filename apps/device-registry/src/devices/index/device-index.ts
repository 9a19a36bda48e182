import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DeviceState } from '@sallyport/protocol';
import type { IndexedParts } from '../stored-record.js';
import { IndexPage, type IndexRow, type RowCondition } from './index-page.js';
import { IndexedColumns, type IndexFilter, secondsOf } from './indexed-columns.js';

// Small enough that a new device is put in its place within microseconds, and that positions fit in 16 bits: a name
// has at most 64 characters.
const mostInPage = 512;
// A page that is filled in order leaves room for devices that come later.
const filledInOrder = 384;
// A search reads so many pages, some 2 ms, before other work of this process gets its turn.
const pagesAtOnce = 256;

/** Which of the matching devices: those after a name, in order. */
export interface IndexRange {
  readonly after?: string | undefined;
  readonly limit: number;
}

/** A device by its name in lower case. */
export interface IndexedDevice {
  readonly name: string;
  readonly parts: IndexedParts;
}

/**
 * The devices by what administrators look for, in the memory of this process. The store finds devices by name only, and
 * an index there would take more room than the devices. All names are in lower case.
 */
export class DeviceIndex {
  /** Ordered by name; never empty. */
  private readonly pages: IndexPage[] = [new IndexPage()];
  private readonly columns = new IndexedColumns();
  private readonly countByState = new Map<number, number>();

  /** Takes a device in, or what is new of it. */
  put({ name, parts }: IndexedDevice): void {
    const position = this.positionOf(name);
    const page = this.pageAt(position);
    const place = page.find(name);
    const row = { ...this.columns.rowOf(parts), seenAt: place < 0 ? 0 : page.seenAt(place) };
    this.count(row.state, 1);
    if (place < 0) {
      page.insert(~place, name, row);
      if (page.size > mostInPage) this.pages.splice(position + 1, 0, page.split());
      return;
    }
    this.count(page.rowAt(place).state, -1);
    page.update(place, row);
  }

  /** Takes in devices that are ordered by name. After the last name of the index, this is much quicker than `put`. */
  putInOrder(devices: readonly IndexedDevice[]): void {
    const last = this.pageAt(this.pages.length - 1);
    const lastName = last.nameAt(last.size - 1);
    const isAfterAll = devices.every(({ name }) => name > lastName);
    if (!isAfterAll) for (const device of devices) this.put(device);
    else
      for (let from = 0; from < devices.length; from += filledInOrder)
        this.append(devices.slice(from, from + filledInOrder));
  }

  remove(name: string): void {
    const position = this.positionOf(name);
    const page = this.pageAt(position);
    const place = page.find(name);
    if (place < 0) return;
    this.count(page.rowAt(place).state, -1);
    page.remove(place);
    if (page.size === 0 && this.pages.length > 1) this.pages.splice(position, 1);
  }

  has(name: string): boolean {
    return this.pageAt(this.positionOf(name)).find(name) >= 0;
  }

  /** Notes when a device was seen. What is older than what is known changes nothing. */
  see(name: string, at: Date): void {
    const page = this.pageAt(this.positionOf(name));
    const place = page.find(name);
    if (place >= 0) page.setSeen(place, secondsOf(at));
  }

  /** When a device was seen last; undefined: never, or it is not in the index. */
  seenAt(name: string): Date | undefined {
    const page = this.pageAt(this.positionOf(name));
    const place = page.find(name);
    const seconds = place < 0 ? 0 : page.seenAt(place);
    return seconds === 0 ? undefined : new Date(seconds * 1000);
  }

  /** How many devices are in a state. */
  countOf(state: DeviceState): number {
    return this.countByState.get(this.columns.stateNumber(state)) ?? 0;
  }

  /** The names of matching devices, in order. */
  async find(filter: IndexFilter, { after, limit }: IndexRange): Promise<string[]> {
    const condition = this.columns.conditionOf(filter);
    const found: string[] = [];
    let last = after;
    while (condition !== undefined && found.length < limit) {
      const read = this.scan(condition, { after: last, limit: limit - found.length });
      found.push(...read.found);
      if (read.last === undefined) break;
      last = read.last;
      await nextTurn();
    }
    return found;
  }

  async countMatches(filter: IndexFilter): Promise<number> {
    const condition = this.columns.conditionOf(filter);
    if (condition === undefined) return 0;
    let total = 0;
    for (const [position, page] of [...this.pages].entries()) {
      total += page.matches(condition, 0, page.size).length;
      if (position % pagesAtOnce === pagesAtOnce - 1) await nextTurn();
    }
    return total;
  }

  /** How many devices in a state have a newest certificate that ends before each of the moments. */
  async countExpiring(state: DeviceState, moments: readonly Date[]): Promise<number[]> {
    const counts = moments.map(() => 0);
    const seconds = moments.map(secondsOf);
    for (const [position, page] of [...this.pages].entries()) {
      page.countExpiring(this.columns.stateNumber(state), seconds, counts);
      if (position % pagesAtOnce === pagesAtOnce - 1) await nextTurn();
    }
    return counts;
  }

  /**
   * Reads some pages. `last` is the name to go on after; undefined at the end. The index may change until then, so it is
   * a name and no position.
   */
  private scan(condition: RowCondition, { after, limit }: IndexRange): { found: string[]; last: string | undefined } {
    const first = after === undefined ? 0 : this.positionOf(after);
    const pages = this.pages.slice(first, first + pagesAtOnce);
    const found: string[] = [];
    for (const page of pages) {
      const from = page === pages[0] ? placeAfter(page, after) : 0;
      const rows = page.matches(condition, from, limit - found.length);
      found.push(...rows.map((row) => page.nameAt(row)));
      if (found.length >= limit) return { found, last: undefined };
    }
    const lastPage = pages.at(-1);
    const isEnd = lastPage === undefined || first + pages.length >= this.pages.length;
    return { found, last: isEnd ? undefined : lastPage.nameAt(lastPage.size - 1) };
  }

  private append(devices: readonly IndexedDevice[]): void {
    const rows = devices.map(({ parts }): IndexRow => ({ ...this.columns.rowOf(parts), seenAt: 0 }));
    for (const { state } of rows) this.count(state, 1);
    const page = IndexPage.of({ names: devices.map(({ name }) => name), rows });
    if (this.pageAt(0).size === 0) this.pages.splice(0, 1, page);
    else this.pages.push(page);
  }

  private pageAt(position: number): IndexPage {
    const page = this.pages[position];
    if (page === undefined) throw new Error('the index has no page here');
    return page;
  }

  /** The last page that begins at or before a name; the first when none does. */
  private positionOf(name: string): number {
    let [low, high] = [0, this.pages.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.pageAt(middle).firstName <= name) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private count(state: number, difference: 1 | -1): void {
    this.countByState.set(state, (this.countByState.get(state) ?? 0) + difference);
  }
}

/** The first row of a page whose name comes after a name. */
function placeAfter(page: IndexPage, name: string | undefined): number {
  if (name === undefined) return 0;
  const place = page.find(name);
  return place < 0 ? ~place : place + 1;
}
