import { describe, expect, it } from 'vitest';
import { crashBridge } from './bridge-crash/bridge-crash-run.js';
import { BridgedDevice, type Victim } from './bridge-crash/bridged-device.js';

/** `npm run prove -- bridge` kills each of them a hundred times. */
const kills = Number(process.env['SALLYPORT_CRASHES'] ?? 2);
// On a busy machine a kill and what follows may take a minute.
const deadlineMs = 60_000 + kills * 60_000;

/** The window of the bridge, and what the device itself sends again. */
const mostDuplicatesOfOne = 4_096 + 1_000;

describe('a bridge under 2,000 QoS 1 messages a second', () => {
  it.each<Victim>(['bridge', 'local broker', 'broker of the cloud'])(
    'loses nothing and keeps the order of each topic, when the link is cut and the %s is killed, again and again',
    async (victim) => {
      await using device = await BridgedDevice.start();
      const report = await crashBridge(device, victim, kills);
      console.log(JSON.stringify(report));
      expect(report, device.log.slice(-3_000)).toMatchObject({ lost: 0, outOfOrder: 0, kills });
      expect(report.published).toBeGreaterThan(kills * 200);
      expect(report.mostDuplicatesOfOne).toBeLessThanOrEqual(mostDuplicatesOfOne);
    },
    deadlineMs,
  );
});
