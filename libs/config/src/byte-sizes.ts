import { amountParsedBy, type ValueType } from './value-type.js';

const bytesByUnit = new Map([
  ['', 1],
  ['B', 1],
  ['kB', 1000],
  ['KB', 1000],
  ['MB', 1000 ** 2],
  ['GB', 1000 ** 3],
  ['TB', 1000 ** 4],
  ['KiB', 1024],
  ['MiB', 1024 ** 2],
  ['GiB', 1024 ** 3],
  ['TiB', 1024 ** 4],
]);

function bytesIn(text: string): number | undefined {
  const [, count = '', unit = ''] = /^(\d{1,15})\s*([A-Za-z]*)$/.exec(text) ?? [];
  const factor = bytesByUnit.get(unit);
  return count === '' || factor === undefined ? undefined : Number(count) * factor;
}

function positiveBytes(stored: string | number): number | undefined {
  const bytes = typeof stored === 'number' ? stored : bytesIn(stored);
  return bytes !== undefined && Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}

/** A size of one byte or more; programs read bytes. */
export const byteSize = {
  ...amountParsedBy('Bytes', 'a number of bytes above 0, or a size such as 500kB, 100MiB or 2GiB', positiveBytes),
  unit: 'bytes',
} as const satisfies ValueType;
