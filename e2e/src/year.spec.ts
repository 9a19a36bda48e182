import { describe, expect, it } from 'vitest';
import { Fleet } from './year/fleet.js';
import { oneSeason, twoYears, twoYearsOfFew } from './year/year-plan.js';
import { YearRun } from './year/year-run.js';
import { YearSite } from './year/year-site.js';

/** `npm run prove -- year` lets two years pass, with many devices or (`2-of-few`) with some. */
const years = process.env['SALLYPORT_YEARS'];
const isLong = years !== undefined;
const plan = isLong ? (years === '2' ? twoYears : twoYearsOfFew) : oneSeason;
const services = ['pki-signer', 'device-registry', 'mqtt-broker', 'agent', 'connector', 'coap-gateway'];

describe('a site that nobody looks after', () => {
  it(
    'refuses nobody who is valid, lets nobody in who is revoked, and asks for nothing but a new root',
    async () => {
      await using site = await YearSite.start({
        apps: plan.isCluster ? services : ['standalone'],
        settings: plan.settings,
      });
      await using fleet = await Fleet.start(site);
      const report = await new YearRun(site, fleet, plan, console.log).run();
      console.log(JSON.stringify({ ...report, faults: undefined }));
      expect(report.faults).toEqual({ refused: [], letIn: [], ended: [], asked: [] });
      // Both have really happened.
      expect(Math.min(report.rootRotations, report.turnedAway)).toBeGreaterThan(0);
    },
    isLong ? 4 * 3_600_000 : 600_000,
  );
});
