import { describe, expect, it } from 'vitest';
import { actorNameOf } from './admin-actor.js';

describe('the name of an actor', () => {
  it.each([
    ['alice', 'alice'],
    ['EXAMPLE\\alice', 'EXAMPLE\\alice'],
    ['Alice Müller', 'Alice%20M%C3%BCller'],
    ['line\nbreak', 'line%0Abreak'],
    ['x'.repeat(70), 'x'.repeat(64)],
    ['\ud800', '%EF%BF%BD'],
    ['', undefined],
  ])('is made of %j as %j', (text, name) => {
    expect(actorNameOf(text)).toBe(name);
  });
});
