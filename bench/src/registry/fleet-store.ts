import { createHash } from 'node:crypto';
import type { JsonValue, Operation, Store } from '@sallyport/store';
import { z } from 'zod';

/** The record of the device that the registry itself has written, as the store has it. */
const template = z.looseObject({ id: z.string(), c: z.array(z.array(z.json())).min(1) });

const perTransaction = 1_000;
const sites = ['north', 'south', 'east', 'west'];

/** The name of a device: the numbers are spread, so that a part of a number is found in many places. */
export function nameOf(index: number): string {
  return `pump-${String((index * 7_919) % 10_000_019).padStart(8, '0')}`;
}

/** Every hundredth is locked, every tenth has tags. */
function recordOf(index: number, given: z.infer<typeof template>): JsonValue {
  const [first = [], ...others] = given.c;
  const [, ...certificate] = first;
  const fingerprint = `#${createHash('sha256').update(nameOf(index)).digest('base64url')}`;
  return {
    ...given,
    id: nameOf(index),
    ...(index % 100 === 0 ? { s: 'locked' } : {}),
    c: [[fingerprint, ...certificate], ...others],
    ...(index % 10 === 0 ? { tags: { site: [sites[index % 4] ?? ''] } } : {}),
  };
}

/** Fills a registry's part of a store with copies of the one device in it. */
export async function fillStore(store: Store, devices: number): Promise<void> {
  const { entries } = await store.list('device-registry/device/', { limit: 1 });
  const given = template.parse(entries[0]?.value);
  for (let from = 0; from < devices; from += perTransaction) {
    const some = Array.from({ length: Math.min(perTransaction, devices - from) }, (_, each) => from + each);
    const puts = some.map(
      (index): Operation => ({ put: `device-registry/device/${nameOf(index)}`, value: recordOf(index, given) }),
    );
    await store.transaction([], puts);
  }
}
