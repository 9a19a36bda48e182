import { Mqtt, type MqttSubscription } from '@sallyport/mqtt';
import { type DeviceEvent, deviceEvent, deviceEventIdOf, deviceId, isoMicros, microsOf } from '@sallyport/protocol';
import { openLog } from '@sallyport/runtime';
import { openSqliteStore, type Store } from '@sallyport/store';
import { type TemporaryDirectory, TestClock, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mergedPage, Timeline, withinMessage } from './timeline.js';

/** A broker that takes everything, once it is there. */
class MqttUnderTest extends Mqtt {
  readonly taken: { readonly topic: string; readonly event: DeviceEvent }[] = [];
  isConnected = true;

  override async publish(topic: string, payload: Buffer | string): Promise<void> {
    if (!this.isConnected) throw new Error('the broker is away');
    this.taken.push({ topic, event: deviceEvent.parse(JSON.parse(payload.toString())) });
  }
  override subscribe(): Promise<MqttSubscription> {
    return Promise.reject(new Error('nobody subscribes here'));
  }
  override onReconnect(): void {}
  override async close(): Promise<void> {}
}

describe('the timeline of a device', () => {
  const device = deviceId.parse('Pump-17');
  let directory: TemporaryDirectory;
  let store: Store;
  let mqtt: MqttUnderTest;
  let clock: TestClock;
  let timeline: Timeline;

  beforeEach(async () => {
    directory = temporaryDirectory();
    store = await openSqliteStore({ file: directory.file('store.db') });
    mqtt = new MqttUnderTest();
    clock = new TestClock(new Date('2026-06-01T12:00:00Z'));
    timeline = new Timeline(store, mqtt, clock, openLog({ destination: { write: () => undefined } }));
    timeline.onApplicationBootstrap();
  });
  afterEach(async () => {
    await timeline.beforeApplicationShutdown();
    await store.close();
    await directory.remove();
  });

  const record = (event: Partial<Parameters<Timeline['record']>[0]>) =>
    store.transaction([], timeline.record({ type: 'connect', device, ...event }));
  const types = async (limit = 200) => (await timeline.events({ deviceId: device, limit })).map(({ type }) => type);

  it('holds what was recorded, newest first', async () => {
    for (const type of ['provisioned', 'connect', 'disconnect'] as const) await record({ type });
    expect(await types()).toEqual(['disconnect', 'connect', 'provisioned']);
    expect(await types(2)).toEqual(['disconnect', 'connect']);
  });

  it('is read in pages, also when the clock was set back', async () => {
    await record({ type: 'provisioned' });
    await record({ type: 'connect', atMicros: Date.parse('2026-05-01T00:00:00Z') * 1000 });
    await record({ type: 'locked' });
    const first = await timeline.events({ deviceId: device, limit: 2 });
    const rest = await timeline.events({ deviceId: device, limit: 2, before: first[1]?.id });
    expect([...first, ...rest].map(({ type }) => type)).toEqual(['locked', 'provisioned', 'connect']);
  });

  it('is one for all spellings of a name in upper and lower case', async () => {
    await record({});
    expect(await timeline.events({ deviceId: deviceId.parse('pump-17'), limit: 1 })).toHaveLength(1);
  });

  it('holds nothing of a change that was not committed', async () => {
    await store.transaction([{ key: 'device', revision: 7 }], timeline.record({ type: 'locked', device }));
    expect(await types()).toEqual([]);
    await record({});
    await waitFor(() => mqtt.taken.length > 0);
    expect(mqtt.taken.map(({ event }) => event.type)).toEqual(['connect']);
  });

  it('is published in order, on the topic of its connector', async () => {
    const connector = deviceEvent.shape.connector.parse('plant');
    for (const type of ['provisioned', 'connect', 'locked'] as const) await record({ type, connector });
    await timeline.settled(device, { deadlineMs: 60_000 });
    expect(mqtt.taken.map(({ topic, event }) => [topic, event.type])).toEqual([
      ['sallyport/events/plant/Pump-17', 'provisioned'],
      ['sallyport/events/plant/Pump-17', 'connect'],
      ['sallyport/events/plant/Pump-17', 'locked'],
    ]);
  });

  it('is not settled while the broker is away', async () => {
    mqtt.isConnected = false;
    await record({});
    await expect(timeline.settled(device, { deadlineMs: 1 })).rejects.toMatchObject({ type: 'unavailable' });
    mqtt.isConnected = true;
    await timeline.settled(device, { deadlineMs: 60_000 });
    expect(mqtt.taken).toHaveLength(1);
  });

  it('is gone when the device is forgotten', async () => {
    await record({});
    await store.transaction([], timeline.forget(device));
    expect(await types()).toEqual([]);
  });
});

describe('a page of the timelines of several services', () => {
  const event = (micros: number): DeviceEvent =>
    deviceEvent.parse({
      id: deviceEventIdOf(micros, '0'.repeat(16)),
      type: 'connect',
      device: 'Pump-17',
      at: isoMicros(micros),
    });
  const times = (events: readonly DeviceEvent[]) => events.map(({ at }) => microsOf(at));

  it('has the newest of all, in their order', () => {
    expect(
      times(
        mergedPage(
          [
            [event(9), event(5)],
            [event(8), event(5)],
          ],
          3,
        ),
      ),
    ).toEqual([9, 8, 5]);
  });

  it('leaves for the next page what is older than the last that a service told', () => {
    const [dense, sparse] = [[event(9), event(8), event(7)], [event(3)]];
    expect(times(mergedPage([dense, sparse, []], 200))).toEqual([9, 8, 7]);
  });

  it('has as many large events as one message takes, and at least one', () => {
    const large = { ...event(9), payload: { values: { note: 'x'.repeat(600_000) } } };
    const counts = [
      [large, large],
      [{ ...large, payload: { values: { note: 'x'.repeat(1_000_000) } } }],
      [],
      [event(9)],
    ];
    expect(counts.map((events) => withinMessage(events).length)).toEqual([1, 1, 0, 1]);
  });

  it('is empty only when no service knows more', () => {
    expect([times(mergedPage([[], [event(3)]], 200)), mergedPage([[], []], 200)]).toEqual([[3], []]);
  });
});
