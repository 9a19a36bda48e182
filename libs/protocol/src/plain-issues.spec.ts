import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { plainIssue } from './plain-issues.js';

const ruleFor = (schema: z.ZodType, value: unknown) =>
  schema.safeParse(value, { error: plainIssue }).error?.issues[0]?.message;

describe('a broken rule', () => {
  it.each([
    ['a number that is too small', z.number().min(60), 5, 'must be at least 60'],
    ['a number that is too large', z.int().max(10), 11, 'must be at most 10'],
    ['a number that must be positive', z.number().positive(), 0, 'must be more than 0'],
    ['a fraction', z.int(), 1.5, 'must be a whole number'],
    ['nothing', z.string(), undefined, 'is missing'],
    ['a number for a text', z.string(), 5, 'must be a text'],
    ['an empty text', z.string().min(1), '', 'must not be empty'],
    ['a text that is too long', z.string().max(3), 'long', 'must have at most 3 characters'],
    ['a text of another length', z.string().length(1), 'ab', 'must have exactly 1 character'],
    ['a list that is too long', z.array(z.string()).max(1), ['a', 'b'], 'must have at most 1 item'],
    ['another word', z.enum(['on', 'off']), 'x', 'must be one of on, off'],
    ['another address', z.url(), 'x', 'must be an address such as https://host.example/path'],
    ['another pattern', z.string().regex(/^a$/), 'x', 'is not written as it must be'],
    ['another start', z.string().startsWith('te/'), 'x', 'must begin with te/'],
    ['an unknown member', z.strictObject({}), { admin: true }, 'has something that is not known: admin'],
    ['none of several forms', z.union([z.literal(1), z.string()]), true, 'cannot be used as it is'],
  ])('is told in plain words: %s', (_, schema, value, words) => {
    expect(ruleFor(schema, value)).toBe(words);
  });

  it('is told in the words of its schema where it has some', () => {
    expect(ruleFor(z.string({ error: 'is no name' }), 5)).toBe('is no name');
    expect(ruleFor(z.number().min(60, 'is too short'), 5)).toBe('is too short');
  });
});
