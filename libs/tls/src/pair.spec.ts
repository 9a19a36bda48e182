import { expect, it } from 'vitest';
import { pairOf } from './index.js';

it.each([
  [undefined, undefined, { kind: 'none' }],
  ['c', undefined, { kind: 'half', present: 'cert', missing: 'key' }],
  [undefined, 'k', { kind: 'half', present: 'key', missing: 'cert' }],
  ['c', 'k', { kind: 'whole', cert: 'c', key: 'k' }],
])('sees what is there of certificate %s and key %s', (cert, key, pair) => {
  expect(pairOf(cert, key)).toEqual(pair);
});
