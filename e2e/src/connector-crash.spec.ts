import { type DeviceEvent, timelinePage } from '@sallyport/protocol';
import { TestCa } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { admitFleet } from './client-ca.js';
import { killAgainAndAgain } from './connector-crash/crash-run.js';
import { EventLedger } from './connector-crash/event-ledger.js';
import { System } from './system.js';

/** `npm run prove -- connector` kills a hundred times. */
const kills = Number(process.env['SALLYPORT_CRASHES'] ?? 2);
// On a busy machine a kill and what follows may take a minute.
const deadlineMs = 120_000 + kills * 60_000;
const pageSize = 200;

describe('registry and connector, killed again and again while devices make contact and write', () => {
  let system: System;
  let fleet: TestCa;

  beforeAll(async () => {
    fleet = await TestCa.create({ commonName: 'fleet' });
    system = await System.start();
    await admitFleet(system, fleet);
  }, 120_000);
  afterAll(async () => {
    await system.stop();
    await fleet?.[Symbol.asyncDispose]();
  });

  /** The whole timeline of a device, newest first. */
  async function timelineOf(device: string): Promise<readonly DeviceEvent[]> {
    const events: DeviceEvent[] = [];
    let before = '';
    for (;;) {
      const path = `/v1/devices/${device}/timeline?limit=${pageSize}${before}`;
      const page = await system.admin('device-registry').get(path, timelinePage);
      if (page.missing.length > 0) throw new Error(`The timeline of ${device} is not complete: ${page.missing}`);
      events.push(...page.events);
      if (page.before === undefined) return events;
      before = `&before=${page.before}`;
    }
  }

  it(
    'lose no acknowledged write, register each device once, and tell no event twice',
    async () => {
      const report = await killAgainAndAgain(
        {
          ports: system.ports,
          ledger: new EventLedger({ port: system.ports.mqtt }),
          clientCa: fleet,
          kill: () => system.kill(),
          resume: () => system.resume(),
          timelineOf,
        },
        kills,
      );
      console.log(JSON.stringify({ ...report, faults: undefined }));
      expect(report.faults).toEqual({ lostOnMqtt: [], lostInTimeline: [], provisioned: [], twice: [] });
      expect(report.acknowledged).toBeGreaterThan(kills);
    },
    deadlineMs,
  );
});
