import 'reflect-metadata';
import { waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { BridgeSite } from './bridge-site.fixture.js';

const health = 'te/device/main/service/tedge-mapper-bridge-c8y/status/health';

describe.each(['embedded broker', 'Mosquitto'] as const)('a bridge between the %s and Cumulocity', (localBroker) => {
  it('passes messages both ways, over mutual TLS', async () => {
    await using site = await BridgeSite.open({ localBroker });
    await site.publish('c8y/s/us', '200,c8y_Temperature,T,25');
    await waitFor(() => site.cloud.mqtt.received('s/us').includes('200,c8y_Temperature,T,25'));
    site.cloud.mqtt.send('s/ds', '510,gateway01');
    await waitFor(() => site.texts('c8y/s/ds').length > 0);
    expect(site.texts('c8y/s/ds')).toEqual(['510,gateway01']);
  });

  it('loses nothing that was published while the cloud was away', async () => {
    await using site = await BridgeSite.open({ localBroker });
    await site.cloud.mqtt.link.refuse();
    await site.untilState('down');
    const texts = Array.from({ length: 50 }, (_, index) => `200,c8y_Count,N,${index}`);
    for (const text of texts) await site.publish('c8y/s/us', text);
    await site.cloud.mqtt.link.heal();
    await site.untilState('up');
    await waitFor(() => site.cloud.mqtt.received('s/us').includes('200,c8y_Count,N,49'));
    const arrived = site.cloud.mqtt.received('s/us').filter((text) => text.startsWith('200,c8y_Count'));
    expect([...new Set(arrived)]).toEqual(texts);
  });

  it('loses nothing that was published while its service was stopped', async () => {
    await using site = await BridgeSite.open({ localBroker });
    await site.stop();
    await site.publish('c8y/s/us', '200,c8y_Count,N,1');
    await site.start();
    await waitFor(() => site.cloud.mqtt.received('s/us').includes('200,c8y_Count,N,1'));
  });

  it('says that it is up and down, in both forms, on change', async () => {
    await using site = await BridgeSite.open({ localBroker });
    const mosquittoHealth = 'te/device/main/service/mosquitto-c8y-bridge/status/health';
    await waitFor(() => site.texts(health).at(-1) === '{"status":"up"}');
    await waitFor(() => site.texts(mosquittoHealth).at(-1) === '1');
    await site.cloud.mqtt.link.refuse();
    await waitFor(() => site.texts(health).at(-1) === '{"status":"down"}');
    await waitFor(() => site.texts(mosquittoHealth).at(-1) === '0');
    expect(site.texts('te/device/main/service/tedge-mapper-bridge-c8y')[0]).toBe(
      '{"@parent":"device/main//","@type":"service","name":"tedge-mapper-bridge-c8y","type":"service"}',
    );
  });

  it('answers health checks, of itself and of the whole device', async () => {
    await using site = await BridgeSite.open({ localBroker });
    await waitFor(() => site.texts(health).at(-1) === '{"status":"up"}');
    for (const topic of [
      'te/device/main/service/tedge-mapper-bridge-c8y/cmd/health/check',
      'te/device/main///cmd/health/check',
    ]) {
      const before = site.texts(health).length;
      await site.publish(topic, '{}');
      await waitFor(() => site.texts(health).length > before);
      expect(site.texts(health).at(-1)).toBe('{"status":"up"}');
    }
  });

  it('says that it is down when its service stops', async () => {
    await using site = await BridgeSite.open({ localBroker });
    await waitFor(() => site.texts(health).at(-1) === '{"status":"up"}');
    await site.stop();
    await waitFor(() => site.texts(health).at(-1) === '{"status":"down"}');
  });
});

describe('what a bridge tells Cumulocity about itself', () => {
  it('is a service of the device, under the id of the bridge, up while it is connected', async () => {
    await using site = await BridgeSite.open();
    const line = '102,gateway01:device:main:service:tedge-mapper-bridge-c8y,service,tedge-mapper-bridge-c8y';
    await waitFor(() => site.cloud.mqtt.received('s/us').includes(`${line},up`));
    await site.cloud.mqtt.link.refuse();
    await waitFor(() => site.cloud.mqtt.received('s/us').includes(`${line},down`));
  });
});
