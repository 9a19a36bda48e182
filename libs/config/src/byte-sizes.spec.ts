import { describe, expect, it } from 'vitest';
import { byteSize } from './byte-sizes.js';

const bytesOf = (text: string) => byteSize.schema.safeParse(byteSize.fromText(text)).data;

describe('sizes', () => {
  it.each([
    ['1', 1],
    ['104857600', 104_857_600],
    ['512B', 512],
    ['500kB', 500_000],
    ['100MiB', 104_857_600],
    ['2 GiB', 2_147_483_648],
    ['1TB', 1_000_000_000_000],
  ])('reads %s as %d bytes', (text, bytes) => {
    expect(bytesOf(text)).toBe(bytes);
  });

  it.each(['', '0', '-1', '1.5MiB', '10 potatoes', 'MiB', '10mib', '9007199254740993', '999999999999999TiB'])(
    'refuses %j',
    (text) => {
      expect(bytesOf(text)).toBeUndefined();
    },
  );

  it.each([0.5, Number.NaN, true, ['1'], 5n])('refuses %s in the file', (value) => {
    expect(byteSize.schema.safeParse(value).success).toBe(false);
  });
});
