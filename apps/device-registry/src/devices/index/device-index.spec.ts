import { setImmediate as nextTurn } from 'node:timers/promises';
import { deviceFilter } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import type { IndexedParts } from '../stored-record.js';
import { DeviceIndex } from './device-index.js';

const states = ['active', 'locked', 'revoked'];

function partsOf(number: number): IndexedParts {
  return {
    state: states[number % 3] ?? '',
    authority: number % 2 === 0 ? 'site' : 'none',
    connector: undefined,
    tags: number % 5 === 0 ? { site: [`s${number % 10}`] } : {},
    endsAt: number % 7 === 0 ? undefined : new Date(Date.UTC(2026, number % 12)),
  };
}

/** Names in an order without pattern, the same in each run. */
function mixed(count: number): [name: string, number: number][] {
  return Array.from({ length: count }, (_, index) => {
    const number = (index * 7_919) % 10_007;
    return [`dev-${number.toString(36)}`, number];
  });
}

function fill(count: number): { index: DeviceIndex; all: [string, number][] } {
  const [index, all] = [new DeviceIndex(), mixed(count)];
  for (const [name, number] of all) index.put({ name, parts: partsOf(number) });
  return { index, all: all.toSorted(([one], [other]) => (one < other ? -1 : 1)) };
}

const filter = (given: object) => deviceFilter.parse(given);

describe('the index of devices', () => {
  it.each([
    ['a part of the name', { search: 'V-1A' }, ([name]: [string, number]) => name.includes('v-1a')],
    ['a state', { state: 'locked' }, ([, number]: [string, number]) => number % 3 === 1],
    ['a tag', { tag: 'site=s5' }, ([, number]: [string, number]) => number % 10 === 5],
    ['a CA', { authority: 'none' }, ([, number]: [string, number]) => number % 2 === 1],
    [
      'the end of a certificate',
      { expiresBefore: '2026-02-15T00:00:00Z' },
      ([, number]: [string, number]) => number % 7 !== 0 && number % 12 < 2,
    ],
    [
      'all together',
      { search: '1', state: 'active', authority: 'site', tag: ['site'] },
      ([name, number]: [string, number]) => name.includes('1') && number % 30 === 0,
    ],
  ])('finds by %s what reading every device would find, in order', async (_, given, holds) => {
    const { index, all } = fill(5_000);
    for (const [name, number] of all.filter((_each, position) => position % 3 === 0)) {
      index.remove(name);
      index.put({ name, parts: partsOf(number) });
    }
    expect(await index.find(filter(given), { limit: 10_000 })).toEqual(all.filter(holds).map(([name]) => name));
    expect(await index.countMatches(filter(given))).toBe(all.filter(holds).length);
  });

  it('goes on after a name that is gone', async () => {
    const { index, all } = fill(2_000);
    const names = all.map(([name]) => name);
    const found: string[] = [];
    for (let page: string[] = []; ; ) {
      page = await index.find(filter({ search: 'dev' }), { after: found.at(-1), limit: 7 });
      found.push(...page);
      if (page.length < 7) break;
      index.remove(page.at(-1) ?? '');
    }
    expect(found).toEqual(names);
  });

  it('takes devices in order or not, and counts each once', async () => {
    const index = new DeviceIndex();
    const devices = mixed(3_000).map(([name, number]) => ({ name, parts: partsOf(number) }));
    const inOrder = devices.toSorted((one, other) => (one.name < other.name ? -1 : 1));
    index.putInOrder(inOrder.slice(0, 2_000));
    index.putInOrder(inOrder.slice(1_500));
    const locked = inOrder.filter(({ parts }) => parts.state === 'locked').map(({ name }) => name);
    expect(await index.find(filter({ state: 'locked' }), { limit: 5_000 })).toEqual(locked);
    expect(index.countOf('locked')).toBe(locked.length);
  });

  it('lets other work go on while it searches a large fleet', async () => {
    const index = new DeviceIndex();
    const parts = partsOf(1);
    const names = Array.from({ length: 400_000 }, (_, each) => `pump-${String(each).padStart(8, '0')}`);
    index.putInOrder(names.map((name) => ({ name, parts })));
    let [turns, isSearching] = [0, true];
    const others = (async () => {
      for (; isSearching; turns += 1) await nextTurn();
    })();
    expect(await index.find(filter({ search: 'valve' }), { limit: 1 })).toEqual([]);
    isSearching = false;
    await others;
    expect(turns).toBeGreaterThanOrEqual(4);
  });
});
