import type { DeviceFilter } from '@sallyport/protocol';
import type { IndexedParts } from '../stored-record.js';
import type { IndexRow, RowCondition } from './index-page.js';

/** What devices are looked for by. */
export interface IndexFilter extends DeviceFilter {
  /** Their newest certificate ends then or later. */
  readonly expiresSince?: string | undefined;
}

/** Gives each text of a column a small number, from 1 on. 0 stands for "none". Numbers are never given back. */
class NumberedTexts {
  private readonly numbers = new Map<string, number>();

  /** The number of a text, a new one if it has none. */
  numberOf(text: string | undefined): number {
    if (text === undefined) return 0;
    const known = this.numbers.get(text);
    if (known !== undefined) return known;
    const next = this.numbers.size + 1;
    this.numbers.set(text, next);
    return next;
  }

  /** The number of a text; 0 if nothing in the index has it, undefined if there is no text. */
  known(text: string | undefined): number | undefined {
    return text === undefined ? undefined : (this.numbers.get(text) ?? 0);
  }
}

/** Turns records into rows of numbers, and filters into conditions on such rows. */
export class IndexedColumns {
  private readonly states = new NumberedTexts();
  private readonly authorities = new NumberedTexts();
  private readonly connectors = new NumberedTexts();
  /** Each tag twice: `name` and `name=value`. */
  private readonly tags = new NumberedTexts();

  rowOf({ state, authority, connector, tags, endsAt }: IndexedParts): Omit<IndexRow, 'seenAt'> {
    return {
      state: this.states.numberOf(state),
      authority: this.authorities.numberOf(authority),
      connector: this.connectors.numberOf(connector),
      expiresAt: endsAt === undefined ? 0 : secondsOf(endsAt),
      tags: tagTexts(tags).map((tag) => this.tags.numberOf(tag)),
    };
  }

  /** 0 if no device has this state. */
  stateNumber(state: string): number {
    return this.states.known(state) ?? 0;
  }

  /** The filter in numbers; undefined if no device has what it asks for. */
  conditionOf(filter: IndexFilter): RowCondition | undefined {
    const numbers = {
      state: this.states.known(filter.state),
      authority: this.authorities.known(filter.authority),
      connector: this.connectors.known(filter.connector),
      tags: (filter.tag ?? []).map((tag) => this.tags.known(tag) ?? 0),
    };
    if ([numbers.state, numbers.authority, numbers.connector, ...numbers.tags].includes(0)) return undefined;
    return {
      search: filter.search?.toLowerCase(),
      ...numbers,
      seenSince: moment(filter.seenSince),
      unseenSince: moment(filter.unseenSince),
      expiresBefore: moment(filter.expiresBefore),
      expiresSince: moment(filter.expiresSince),
    };
  }
}

function tagTexts(tags: Readonly<Record<string, readonly string[]>>): string[] {
  return Object.entries(tags).flatMap(([name, values]) => [name, ...values.map((value) => `${name}=${value}`)]);
}

function moment(at: string | undefined): number | undefined {
  return at === undefined ? undefined : secondsOf(at);
}

/** Whole seconds since 1970 that fit in 32 bits: from 1 to the year 2106. */
export function secondsOf(at: string | Date): number {
  const seconds = Math.floor(new Date(at).getTime() / 1000);
  return Math.min(Math.max(seconds, 1), 0xffff_ffff);
}
