import { describe, expect, it } from 'vitest';
import { smartRestLine } from './smart-rest.js';

describe('a SmartREST message', () => {
  it.each([
    [['100', 'gateway1', 'thin-edge.io'], '100,gateway1,thin-edge.io'],
    [['102', 'press, left', 'service'], '102,"press, left",service'],
    [['102', 'the "old" one'], '102,"the ""old"" one"'],
    [['102', 'a\rb', 'c\nd'], '102,"a\rb","c\nd"'],
    [['102', ' a', 'b '], '102," a","b "'],
  ])('of %j is %j', (fields, line) => {
    expect(smartRestLine(...fields)).toBe(line);
  });
});
