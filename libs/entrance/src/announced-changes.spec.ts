import { deviceId } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { AnnouncedChanges } from './announced-changes.js';

const [pump, valve] = [deviceId.parse('pump-17'), deviceId.parse('valve-3')];

describe('the changes that are announced while a question is on its way', () => {
  it.each([
    ['the device itself', pump, true],
    ['another device', valve, false],
    ['any device', undefined, true],
  ])('overtake its answer when they are of %s: %s', async (_, changed, overtakes) => {
    const changes = new AnnouncedChanges();
    const { answer, hasChanged } = await changes.during(async () => {
      changes.note(changed);
      return 'admitted';
    });
    expect([answer, hasChanged(pump)]).toEqual(['admitted', overtakes]);
  });

  it('are not those of before or after it', async () => {
    const changes = new AnnouncedChanges();
    changes.note(pump);
    const { hasChanged } = await changes.during(async () => undefined);
    changes.note(pump);
    expect(hasChanged(pump)).toBe(false);
  });
});
