import { Problem, resourceAlias } from '@sallyport/protocol';
import type { Alias } from './values.js';

/** What one device may write and keep. */
export const twinLimits = {
  valueBytes: 64 * 1024,
  /** Aliases and values of one write, as JSON. The store takes 1 MiB with what we add. */
  writeBytes: 900_000,
  /** Values of one write. */
  writePoints: 1000,
  /** Aliases of one device. */
  aliases: 1000,
  /** All present values of one device, as JSON. */
  stateBytes: 900_000,
  /** How far ahead of our clock the clock of a device may be. */
  clockSkewMicros: 300_000_000,
} as const;

/** Guards the name of a value. @throws Problem `invalid-request` */
export function checkAlias(alias: Alias): void {
  const { error } = resourceAlias.safeParse(alias);
  if (error === undefined) return;
  throw invalid(
    `The alias ${JSON.stringify(alias.slice(0, 40))} ${error.issues[0]?.message}. Give the value another name.`,
  );
}

/** Guards one value. @throws Problem `invalid-request`, `too-large` */
export function checkValue(alias: Alias, value: string): void {
  const size = value.length * 3 <= twinLimits.valueBytes ? 0 : Buffer.byteLength(value);
  if (size > twinLimits.valueBytes)
    throw tooLarge(
      `The value of ${JSON.stringify(alias)} has ${size} bytes; the limit is ${twinLimits.valueBytes}. Send less.`,
    );
  if (!value.isWellFormed()) throw invalid(`The value of ${JSON.stringify(alias)} holds broken Unicode. Send UTF-8.`);
}

/** Guards how many values one write has. @throws Problem `invalid-request`, `too-large` */
export function checkCount(count: number): void {
  if (count === 0) throw invalid('The write holds no value. Send at least one.');
  if (count > twinLimits.writePoints)
    throw tooLarge(`The write holds ${count} values; the limit is ${twinLimits.writePoints}. Send several writes.`);
}

export function invalid(detail: string): Problem {
  return new Problem('invalid-request', detail);
}

export function tooLarge(detail: string): Problem {
  return new Problem('too-large', detail);
}
