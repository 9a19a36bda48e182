import { expect, it } from 'vitest';
import { pause } from './pause.js';

it('ends a pause early, and without an error, when the signal fires', async () => {
  const controller = new AbortController();
  const waiting = pause(3_600_000, { signal: controller.signal });
  controller.abort();
  await waiting;
  await pause(3_600_000, { signal: controller.signal });
});

it('waits as long as it was told', async () => {
  const startedAt = performance.now();
  await pause(20, { ref: true });
  // Node counts in whole milliseconds, and may end a timer up to one early.
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(19);
});
