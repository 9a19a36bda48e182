import { connectMqtt, type Mqtt } from '@sallyport/mqtt';
import { allowList, type DeviceEvent, deviceEvent } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RegistryUnderTest } from '../registry.fixture.js';
import { AllowListWatch } from './allow-list-watch.js';

describe('a device that is expected', () => {
  let registry: RegistryUnderTest;
  let mqtt: Mqtt;
  let events: DeviceEvent[];
  beforeEach(async () => {
    registry = await RegistryUnderTest.start();
    mqtt = await connectMqtt(registry.connection('listener'));
    events = [];
    await mqtt.subscribe('sallyport/events/#', (_topic, payload) => {
      events.push(deviceEvent.parse(JSON.parse(payload.toString())));
    });
  });
  afterEach(async () => {
    await mqtt.close();
    await registry.stop();
  });

  const allow = (devices: string[], hours: number) => registry.order('POST', '/v1/allowed', { devices, hours });
  const look = () => registry.part(AllowListWatch).look();
  const states = async () =>
    (await registry.get('/v1/allowed', allowList)).devices.map(({ deviceId, state }) => `${deviceId} ${state}`);

  it('and does not come in its window is expired, and this is told once', async () => {
    await allow(['late'], 2);
    await allow(['later'], 4);
    await allow(['whenever'], 0);
    await look();
    expect(await states()).toEqual(['late expected', 'later expected', 'whenever expected']);
    registry.clock.advance(2 * 3_600);
    for (let round = 0; round < 2; round += 1) await look();
    await registry.restart();
    await look();
    expect(await states()).toEqual(['late expired', 'later expected', 'whenever expected']);
    registry.clock.advance(2 * 3_600);
    await look();
    await waitFor(() => events.length >= 2);
    expect(events.map(({ type, device, payload }) => [type, device, payload?.['until']])).toEqual([
      ['expired', 'late', '2026-06-01T14:00:00.000Z'],
      ['expired', 'later', '2026-06-01T16:00:00.000Z'],
    ]);
  });

  it('is expected again with a new window', async () => {
    await allow(['late'], 2);
    registry.clock.advance(3 * 3_600);
    await look();
    await allow(['LATE'], 2);
    expect(await states()).toEqual(['LATE expected']);
    registry.clock.advance(3 * 3_600);
    await look();
    await waitFor(() => events.length === 2);
  });
});
