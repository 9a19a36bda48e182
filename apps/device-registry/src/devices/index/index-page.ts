/** What the index knows of a device, as numbers: see `IndexedValues`. */
export interface IndexRow {
  readonly state: number;
  readonly authority: number;
  readonly connector: number;
  /** Seconds since 1970; 0: none of its certificates is admitted. */
  readonly expiresAt: number;
  /** Seconds since 1970; 0: never. */
  readonly seenAt: number;
  readonly tags: readonly number[];
}

/** Conditions on a row; each that is given must hold. */
export interface RowCondition {
  /** In lower case; not empty. */
  readonly search?: string | undefined;
  readonly state?: number | undefined;
  readonly authority?: number | undefined;
  readonly connector?: number | undefined;
  readonly tags: readonly number[];
  /** Seconds since 1970. */
  readonly seenSince?: number | undefined;
  readonly unseenSince?: number | undefined;
  readonly expiresBefore?: number | undefined;
  readonly expiresSince?: number | undefined;
}

// Stands before and after each name. No name contains it.
const border = '\n';
const noTags: readonly number[] = [];

interface Columns {
  readonly names: readonly string[];
  readonly rows: readonly IndexRow[];
}

/**
 * Some hundred neighbouring devices, ordered by name. All names are one text, so a search for a part of a name is one
 * search in a text. The other columns are arrays of numbers: a million devices take some 60 MB.
 */
export class IndexPage {
  /** `\nname\nname\n` */
  private text = border;
  /** Where each name begins. */
  private starts = new Uint16Array();
  private states = new Uint8Array();
  private authorities = new Uint32Array();
  private connectors = new Uint16Array();
  private expiries = new Uint32Array();
  private seen = new Uint32Array();
  private tags: (readonly number[])[] = [];
  /** What rows of this page have or had, so that a page without a match is not read. */
  private marks = noMarks();

  get size(): number {
    return this.starts.length;
  }

  get firstName(): string {
    return this.nameAt(0);
  }

  nameAt(row: number): string {
    const start = this.starts[row];
    if (start === undefined) return '';
    return this.text.slice(start, this.endOf(row));
  }

  /** Where a name is, or the complement (`~`) of where it belongs. */
  find(name: string): number {
    let [low, high] = [0, this.size - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      const found = this.nameAt(middle);
      if (found === name) return middle;
      if (found < name) low = middle + 1;
      else high = middle - 1;
    }
    return ~low;
  }

  rowAt(row: number): IndexRow {
    return {
      state: this.states[row] ?? 0,
      authority: this.authorities[row] ?? 0,
      connector: this.connectors[row] ?? 0,
      expiresAt: this.expiries[row] ?? 0,
      seenAt: this.seen[row] ?? 0,
      tags: this.tags[row] ?? noTags,
    };
  }

  update(row: number, values: IndexRow): void {
    this.states[row] = values.state;
    this.authorities[row] = values.authority;
    this.connectors[row] = values.connector;
    this.expiries[row] = values.expiresAt;
    this.seen[row] = values.seenAt;
    this.tags[row] = values.tags.length === 0 ? noTags : values.tags;
    this.mark(values);
  }

  setSeen(row: number, seenAt: number): void {
    this.seen[row] = Math.max(seenAt, this.seen[row] ?? 0);
    this.marks.latestSeen = Math.max(this.marks.latestSeen, seenAt);
  }

  seenAt(row: number): number {
    return this.seen[row] ?? 0;
  }

  /** Puts a new row in its place. */
  insert(row: number, name: string, values: IndexRow): void {
    const [start, length] = [this.starts[row] ?? this.text.length, this.size + 1];
    this.text = flat(this.text.slice(0, start) + name + border + this.text.slice(start));
    this.starts = inserted(new Uint16Array(length), this.starts, [row, start]);
    for (let later = row + 1; later < this.starts.length; later += 1)
      this.starts[later] = (this.starts[later] ?? 0) + name.length + border.length;
    this.states = inserted(new Uint8Array(length), this.states, [row, values.state]);
    this.authorities = inserted(new Uint32Array(length), this.authorities, [row, values.authority]);
    this.connectors = inserted(new Uint16Array(length), this.connectors, [row, values.connector]);
    this.expiries = inserted(new Uint32Array(length), this.expiries, [row, values.expiresAt]);
    this.seen = inserted(new Uint32Array(length), this.seen, [row, values.seenAt]);
    this.tags.splice(row, 0, values.tags.length === 0 ? noTags : values.tags);
    this.mark(values);
  }

  remove(row: number): void {
    const { names, rows } = this.columns();
    this.fill({ names: names.toSpliced(row, 1), rows: rows.toSpliced(row, 1) });
  }

  /** Keeps the first half, and gives the second one. */
  split(): IndexPage {
    const { names, rows } = this.columns();
    const half = names.length >> 1;
    this.fill({ names: names.slice(0, half), rows: rows.slice(0, half) });
    return IndexPage.of({ names: names.slice(half), rows: rows.slice(half) });
  }

  /** @param columns ordered by name, one row for each name */
  static of(columns: Columns): IndexPage {
    const page = new IndexPage();
    page.fill(columns);
    return page;
  }

  /** The rows from `from` on that hold the conditions, at most `limit`. */
  matches(condition: RowCondition, from: number, limit: number): number[] {
    const found: number[] = [];
    if (!this.mayMatch(condition)) return found;
    for (let row = this.nextNamed(condition.search, from); row < this.size && found.length < limit; ) {
      if (this.holds(row, condition)) found.push(row);
      row = this.nextNamed(condition.search, row + 1);
    }
    return found;
  }

  /** How many rows of a state end before each of some moments. */
  countExpiring(state: number, moments: readonly number[], counts: number[]): void {
    for (let row = 0; row < this.size; row += 1) {
      const expiresAt = this.expiries[row] ?? 0;
      if (expiresAt === 0 || this.states[row] !== state) continue;
      for (const [each, moment] of moments.entries()) if (expiresAt < moment) counts[each] = (counts[each] ?? 0) + 1;
    }
  }

  private mayMatch({ state, authority, connector, tags, seenSince, expiresBefore }: RowCondition): boolean {
    const { marks } = this;
    if (seenSince !== undefined && marks.latestSeen < seenSince) return false;
    if (expiresBefore !== undefined && marks.earliestEnd >= expiresBefore) return false;
    if (state !== undefined && (marks.states & bitOf(state)) === 0) return false;
    if (authority !== undefined && (marks.authorities & bitOf(authority)) === 0) return false;
    if (connector !== undefined && (marks.connectors & bitOf(connector)) === 0) return false;
    return tags.every((tag) => (marks.tags & bitOf(tag)) !== 0);
  }

  /** The next row at or after `from` whose name has this part; the size of the page when there is none. */
  private nextNamed(search: string | undefined, from: number): number {
    if (search === undefined || from >= this.size) return from;
    const at = this.text.indexOf(search, this.starts[from]);
    return at < 0 ? this.size : this.rowOf(at, from);
  }

  /** The row whose name has this position of the text. */
  private rowOf(position: number, from: number): number {
    let [low, high] = [from, this.size - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.starts[middle] ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private holds(row: number, condition: RowCondition): boolean {
    const { state, authority, connector, tags, seenSince, unseenSince, expiresBefore, expiresSince } = condition;
    if (state !== undefined && this.states[row] !== state) return false;
    if (authority !== undefined && this.authorities[row] !== authority) return false;
    if (connector !== undefined && this.connectors[row] !== connector) return false;
    const [seenAt, expiresAt] = [this.seen[row] ?? 0, this.expiries[row] ?? 0];
    if (seenSince !== undefined && seenAt < seenSince) return false;
    if (unseenSince !== undefined && seenAt >= unseenSince) return false;
    if (expiresBefore !== undefined && (expiresAt === 0 || expiresAt >= expiresBefore)) return false;
    if (expiresSince !== undefined && expiresAt < expiresSince) return false;
    return tags.length === 0 || tags.every((tag) => this.tags[row]?.includes(tag));
  }

  private endOf(row: number): number {
    return (this.starts[row + 1] ?? this.text.length) - 1;
  }

  private columns(): Columns {
    const all = Array.from({ length: this.size }, (_, row) => row);
    return { names: all.map((row) => this.nameAt(row)), rows: all.map((row) => this.rowAt(row)) };
  }

  private fill({ names, rows }: Columns): void {
    this.text = flat(border + names.map((name) => name + border).join(''));
    this.starts = startsOf(names);
    this.states = Uint8Array.from(rows, ({ state }) => state);
    this.authorities = Uint32Array.from(rows, ({ authority }) => authority);
    this.connectors = Uint16Array.from(rows, ({ connector }) => connector);
    this.expiries = Uint32Array.from(rows, ({ expiresAt }) => expiresAt);
    this.seen = Uint32Array.from(rows, ({ seenAt }) => seenAt);
    this.tags = rows.map(({ tags }) => (tags.length === 0 ? noTags : tags));
    this.marks = noMarks();
    for (const row of rows) this.mark(row);
  }

  private mark({ state, authority, connector, tags, seenAt, expiresAt }: IndexRow): void {
    const { marks } = this;
    marks.latestSeen = Math.max(marks.latestSeen, seenAt);
    if (expiresAt !== 0) marks.earliestEnd = Math.min(marks.earliestEnd, expiresAt);
    marks.states |= bitOf(state);
    marks.authorities |= bitOf(authority);
    marks.connectors |= bitOf(connector);
    for (const tag of tags) marks.tags |= bitOf(tag);
  }
}

function noMarks() {
  return { states: 0, authorities: 0, connectors: 0, tags: 0, latestSeen: 0, earliestEnd: Number.POSITIVE_INFINITY };
}

interface Column {
  readonly length: number;
  set(values: ArrayLike<number>, at?: number): void;
  subarray(from: number, to?: number): ArrayLike<number>;
}

/** Fills a longer column with an old one and one more value. */
function inserted<Longer extends Column>(longer: Longer, old: Column, [row, value]: readonly [number, number]): Longer {
  longer.set(old.subarray(0, row));
  longer.set([value], row);
  longer.set(old.subarray(row), row + 1);
  return longer;
}

function startsOf(names: readonly string[]): Uint16Array<ArrayBuffer> {
  const starts = new Uint16Array(names.length);
  let at = border.length;
  for (const [row, name] of names.entries()) {
    starts[row] = at;
    at += name.length + border.length;
  }
  return starts;
}

/** One of 32 bits. Several numbers share one, so a mark says "perhaps". */
function bitOf(number: number): number {
  return 1 << (number % 32);
}

/** The same text in one piece: V8 keeps what was joined as a tree until it is read. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
