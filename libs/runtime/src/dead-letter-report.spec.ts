import { Writable } from 'node:stream';
import { Module } from '@nestjs/common';
import { Mqtt, subscribeEvent } from '@sallyport/mqtt';
import { deviceChanged } from '@sallyport/protocol';
import { temporaryDirectory, waitFor } from '@sallyport/testkit';
import { expect, it } from 'vitest';
import { openLog } from './log.js';
import { RunningServices } from './running-services.js';
import { closeTestContext, openTestContext } from './testing.js';

@Module({})
class EmptyModule {}

it('a message that a service cannot handle is in its log and its metrics', async () => {
  await using directory = temporaryDirectory();
  const context = await openTestContext(directory.path);
  const lines: string[] = [];
  const destination = new Writable({
    write: (line, _encoding, done) => {
      lines.push(String(line));
      done();
    },
  });
  const { settings, clock, mqttConnection } = context;
  const readSettings = async () => settings;
  const connectionFor = () => mqttConnection;
  const services = new RunningServices({ settings, readSettings, clock, connectionFor, log: openLog({ destination }) });
  const module = () => ({ module: EmptyModule });
  const host = await services.start({ name: 'device-registry', needs: { mqtt: true }, module });
  const mqtt = host.app.get(Mqtt, { strict: false });
  await subscribeEvent(mqtt, deviceChanged, async () => undefined, { onInvalid: () => undefined });
  await mqtt.publish(deviceChanged.topic, 'hello');
  const line = await waitFor(() => lines.find((each) => each.includes('dead letter')));
  expect(JSON.parse(line)).toMatchObject({
    level: 'error',
    service: 'device-registry',
    topic: 'sallyport/v1/event/device-changed',
    failures: 1,
    payloadBytes: 5,
    keptAt: expect.stringMatching(/^sallyport\/v1\/dead-letter\/device-registry\//),
  });
  expect(await host.context.metrics.metrics()).toContain('sallyport_mqtt_dead_letters_total 1');
  await services.stop();
  await closeTestContext(context);
});
