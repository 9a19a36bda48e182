import { reportContacts } from '@sallyport/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { peer, RegistryUnderTest } from '../registry.fixture.js';

describe('contacts that an entrance reports', () => {
  let registry: RegistryUnderTest;
  beforeEach(async () => {
    registry = await RegistryUnderTest.start();
    await registry.admit(peer());
  });
  afterEach(() => registry.stop());

  const report = (at: string, { deviceId = 'child01', contacts = 1 } = {}) =>
    registry.ask(reportContacts, {
      contacts: [{ deviceId, entrance: 'connector', remoteAddress: '192.0.2.9', at, contacts }],
    });
  const lastSeen = async () => (await registry.device('child01')).lastSeen;

  it('are the last contact of the device, and count', async () => {
    registry.clock.advance(600);
    await report('2026-06-01T12:10:00Z', { contacts: 3 });
    const at = '2026-06-01T12:10:00.000Z';
    expect(await lastSeen()).toEqual({ at, entrance: 'connector', remoteAddress: '192.0.2.9', contacts: 4 });
  });

  it('are not later than now, also when the clock of the entrance is ahead', async () => {
    await report('2036-01-01T00:00:00Z');
    expect(await lastSeen()).toMatchObject({ at: '2026-06-01T12:00:00.000Z', entrance: 'connector' });
  });

  it('of a device that is not there any more leave nothing', async () => {
    await registry.order('DELETE', '/v1/devices/child01');
    await report('2026-06-01T12:00:00Z');
    await registry.restart();
    await registry.order('DELETE', '/v1/tombstones/child01');
    await registry.admit(peer());
    expect(await lastSeen()).toMatchObject({ entrance: 'agent', contacts: 1 });
  });
});
