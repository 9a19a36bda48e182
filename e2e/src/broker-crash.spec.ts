import { freePort, spawnMosquitto, temporaryDirectory } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CrashingBroker, crashAgainAndAgain } from './broker-crash/crash-run.js';
import { System } from './system.js';

/** `npm run prove -- broker` kills each broker a hundred times. */
const kills = Number(process.env['SALLYPORT_CRASHES'] ?? 3);
// On a busy machine a kill and what follows may take a minute.
const deadlineMs = 60_000 + kills * 60_000;

// Duplicates are allowed at QoS 1 (MQTT 3.1.1 §4.3.2), so they are not in here.
const nothingLost = {
  forgottenSessions: 0,
  present: { lost: 0, outOfOrder: 0 },
  away: { lost: 0, outOfOrder: 0 },
};

/** Both brokers keep the same promise. */
function losesNothing(broker: () => Pick<CrashingBroker, 'kill' | 'resume'> & { readonly port: number }): void {
  it(
    'loses nothing it has acknowledged, and keeps the order of each topic',
    async () => {
      const { port, kill, resume } = broker();
      const target = { port };
      const crashing = { publisherTarget: target, subscriberTarget: target, topicRoot: 'te/device/main///m' };
      const report = await crashAgainAndAgain({ ...crashing, kill, resume }, kills);
      console.log(JSON.stringify(report));
      expect(report).toMatchObject(nothingLost);
      expect(report.acknowledged).toBeGreaterThan(kills);
    },
    deadlineMs,
  );
}

describe('the embedded broker, killed again and again under 2,000 QoS 1 messages a second', () => {
  let system: System;

  beforeAll(async () => {
    system = await System.start();
  });
  afterAll(() => system.stop());

  losesNothing(() => ({ port: system.ports.mqtt, kill: () => system.kill(), resume: () => system.resume() }));
});

describe('Mosquitto behind the door, killed again and again under 2,000 QoS 1 messages a second', () => {
  const directory = temporaryDirectory('sp-');
  const socketPath = directory.file('broker.sock');
  let system: System;
  let mosquitto: Awaited<ReturnType<typeof spawnMosquitto>>;
  let port: number;

  // What Debian's Mosquitto 2.0.11 needs to keep what it acknowledges; docs/performance.md says what each line does.
  const start = () =>
    spawnMosquitto({
      port,
      config: [
        'persistence true',
        `persistence_location ${directory.path}/`,
        'autosave_on_changes true',
        'autosave_interval 1',
        'max_inflight_messages 1000',
        'max_queued_messages 100000',
        'set_tcp_nodelay true',
        'sys_interval 0',
        `listener 0 ${socketPath}`,
      ],
    });

  beforeAll(async () => {
    port = await freePort();
    mosquitto = await start();
    system = await System.start({ 'mqtt.broker.url': `unix:${socketPath}`, 'mqtt.broker.waits_for_save': 'true' });
  });
  afterAll(async () => {
    await system.stop();
    await mosquitto.stop();
    await directory.remove();
  });

  losesNothing(() => ({
    port: system.ports.mqtt,
    kill: () => mosquitto.kill(),
    resume: async () => {
      mosquitto = await start();
    },
  }));
});
