import { claimDevice } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { RegistryUnderTest } from '../registry.fixture.js';

describe('an owner', () => {
  it('brings a thousand new devices at once, then two a second, and keeps nobody else from it', async () => {
    const registry = await RegistryUnderTest.start();
    try {
      let devices = 0;
      const claim = async (owner: string) => {
        devices += 1;
        const deviceId = `uuid:00000000-0000-4000-8000-${String(devices).padStart(12, '0')}`;
        return (await registry.ask(claimDevice, { deviceId, owner, remoteAddress: '192.0.2.7' })).outcome;
      };
      const claims = (count: number) => Promise.all(Array.from({ length: count }, () => claim('alice')));
      for (let batch = 0; batch < 20; batch += 1) expect(new Set(await claims(50))).toEqual(new Set(['owned']));
      expect(await claim('alice')).toBe('too-many-new-devices');
      expect(await claim('bob')).toBe('owned');
      registry.clock.advance(1);
      expect(await claims(3)).toEqual(['owned', 'owned', 'too-many-new-devices']);
    } finally {
      await registry.stop();
    }
  });
});
