import { Problem } from '@sallyport/protocol';
import type { Certificate } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { RenewalSchedule, type RenewalScheduleOptions } from './renewal-schedule.js';
import { TestSite } from './test-site.fixture.js';

const hour = 3_600_000;
const day = 24 * hour;
const start = new Date('2026-01-01T00:00:00Z');
const sample = new TestSite('Schedule').root;

/** A certificate with a life of its own; the schedule looks at nothing else. */
const certificateOf = (notBefore: Date, days: number): Certificate => ({
  ...sample,
  notBefore,
  notAfter: new Date(notBefore.getTime() + days * day),
});

/** A clock that jumps: each wait ends at once, and the time is later by as much. */
class JumpingClock {
  now = start;
  readonly waits: number[] = [];
  readonly wait = async (milliseconds: number, signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    this.waits.push(milliseconds);
    this.now = new Date(this.now.getTime() + milliseconds);
  };
}

/** Runs a schedule until `renewals` have succeeded; the times of all tries. */
async function run(
  renew: (attempt: number, clock: JumpingClock) => Certificate,
  {
    renewals = 1,
    random = 0,
    clock = new JumpingClock(),
    ...options
  }: { renewals?: number; random?: number; clock?: JumpingClock } & Partial<
    Omit<RenewalScheduleOptions, 'random'>
  > = {},
): Promise<{ tries: Date[]; clock: JumpingClock; retries: number[] }> {
  const tries: Date[] = [];
  const retries: number[] = [];
  await new Promise<void>((resolve) => {
    let renewed = 0;
    const schedule: RenewalSchedule = new RenewalSchedule({
      certificate: certificateOf(start, 90),
      now: () => clock.now,
      random: () => random,
      wait: clock.wait,
      renew: async () => {
        tries.push(clock.now);
        return renew(tries.length, clock);
      },
      onRenewed: () => {
        if (++renewed === renewals) void schedule.stop().then(resolve);
      },
      onFailure: (_, retryInMs) => retries.push(retryInMs),
      ...options,
    });
    schedule.start();
  });
  return { tries, clock, retries };
}

const fresh = (_: number, clock: JumpingClock) => certificateOf(clock.now, 90);

describe('the renewal schedule', () => {
  it('renews at two thirds of the life of each certificate, again and again', async () => {
    const { tries } = await run(fresh, { renewals: 3 });

    expect(tries).toEqual([
      new Date('2026-03-02T00:00:00Z'),
      new Date('2026-05-01T00:00:00Z'),
      new Date('2026-06-30T00:00:00Z'),
    ]);
  });

  it('spreads the first tries of a fleet over the quarter of the remaining life that follows', async () => {
    const { tries } = await run(fresh, { random: 1 });

    expect(tries).toEqual([new Date('2026-03-09T12:00:00Z')]);
  });

  it('looks at the clock every minute, so that a sleeping machine and a clock that is set are no trouble', async () => {
    const { clock, tries } = await run(fresh, { certificate: certificateOf(start, 30) });

    expect(Math.max(...clock.waits.slice(0, 1000))).toBe(60_000);
    expect(tries).toEqual([new Date('2026-01-21T00:00:00Z')]);
  });

  it('renews at once what is past its due time', async () => {
    const { tries } = await run(fresh, { certificate: certificateOf(new Date('2025-10-10T00:00:00Z'), 90) });

    expect(tries).toEqual([start]);
  });

  it('never renews more often than once a minute, however short the certificates it gets', async () => {
    // As of a signer that dates certificates back by 5 minutes and lets them live for 1 minute.
    const backdated = (_: number, { now }: JumpingClock): Certificate => ({
      ...sample,
      notBefore: new Date(now.getTime() - 300_000),
      notAfter: new Date(now.getTime() + 60_000),
    });

    const { tries } = await run(backdated, { renewals: 3, certificate: backdated(0, new JumpingClock()) });

    expect(tries).toEqual([start, new Date(start.getTime() + 60_000), new Date(start.getTime() + 120_000)]);
  });

  it('tries again after 1, 2, 4 … minutes up to an hour, shortened by up to half', async () => {
    const failing = (attempt: number, clock: JumpingClock) => {
      if (attempt <= 8) throw new Error('no network');
      return fresh(attempt, clock);
    };

    const { retries } = await run(failing, { random: 1 });
    const { retries: shortened } = await run(failing, { random: 0 });

    expect(retries.map((ms) => ms / 60_000)).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
    expect(shortened.map((ms) => ms / 60_000)).toEqual([0.5, 1, 2, 4, 8, 16, 30, 30]);
  });

  it('tries more often when the end is near', async () => {
    const nearlyExpired = certificateOf(new Date(start.getTime() - 90 * day + 60_000), 90);
    const { retries } = await run(
      (attempt, clock) => {
        if (attempt <= 2) throw new Error('no network');
        return fresh(attempt, clock);
      },
      { certificate: nearlyExpired, random: 1 },
    );

    expect(retries).toEqual([10_000, 10_000]);
  });

  it('waits as long as the server asks, at most an hour', async () => {
    const answers = [600, 100_000];
    const { retries } = await run((attempt, clock) => {
      const retryAfterSeconds = answers[attempt - 1];
      if (retryAfterSeconds !== undefined) throw new Problem('unavailable', 'busy', { retryAfterSeconds });
      return fresh(attempt, clock);
    });

    expect(retries).toEqual([600_000, hour]);
  });

  it.each([
    ['tries again', [30_000], { failures: 1, renewals: 1 }],
    ['goes on after a success', [60_000], { failures: 0, renewals: 2 }],
  ])('is not held up when the clock is set back by a year before it %s', async (_, waits, { failures, renewals }) => {
    const clock = new JumpingClock();
    const expired = certificateOf(new Date('2020-01-01T00:00:00Z'), 90);
    const setBack = async (milliseconds: number, signal: AbortSignal) => {
      await clock.wait(milliseconds, signal);
      if (clock.waits.length === 1) clock.now = new Date(clock.now.getTime() - 365 * day);
    };
    const renew = (attempt: number) => {
      if (attempt <= failures) throw new Error('no network');
      return expired;
    };

    await run(renew, { clock, certificate: expired, wait: setBack, renewals });

    expect(clock.waits).toEqual(waits);
  });

  it('goes on after the end of life', async () => {
    const expired = certificateOf(new Date('2025-01-01T00:00:00Z'), 90);
    const { tries } = await run(
      (attempt, clock) => {
        if (attempt === 1) throw new Error('no network');
        return fresh(attempt, clock);
      },
      { certificate: expired, random: 1 },
    );

    expect(tries).toEqual([start, new Date(start.getTime() + 60_000)]);
  });

  it.each([
    ['has ended', new Date('2025-01-01T00:00:00Z'), [2, 4, 8, 16, 32, 60, 60]],
    ['is not valid yet', new Date('2026-02-01T00:00:00Z'), [2, 4, 8, 16, 32, 60, 60]],
    ['is valid', new Date('2025-10-10T00:00:00Z'), [60, 120, 240, 480, 960, 1920, 3600]],
  ])('asks a signer that does not answer again and again, for a certificate that %s', async (_, notBefore, seconds) => {
    const silent = (attempt: number, clock: JumpingClock) => {
      if (attempt <= 7) throw new Problem('unavailable', 'Nobody answers.');
      return fresh(attempt, clock);
    };

    const { retries } = await run(silent, { certificate: certificateOf(notBefore, 90), random: 1 });

    expect(retries.map((ms) => ms / 1000)).toEqual(seconds);
  });

  it.each(['CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED'])(
    'asks a signer again soon that showed a certificate with %s, while its own has ended',
    async (code) => {
      const wrongClock = (attempt: number, clock: JumpingClock) => {
        if (attempt === 1) throw new Problem('certificate-rejected', 'Out of date.', { extensions: { code } });
        return fresh(attempt, clock);
      };
      const ended = certificateOf(new Date('2025-01-01T00:00:00Z'), 90);

      const { retries } = await run(wrongClock, { certificate: ended, random: 1 });

      expect(retries).toEqual([2_000]);
    },
  );

  it('renews at once what is not valid yet, and slows down while that does not help', async () => {
    const ahead = (_: number, { now }: JumpingClock) => certificateOf(new Date(now.getTime() + 30 * day), 90);
    const clock = new JumpingClock();
    const { tries } = await run(ahead, { renewals: 5, random: 1, clock, certificate: ahead(0, clock) });

    expect(tries.map((at) => (at.getTime() - start.getTime()) / 60_000)).toEqual([0, 2, 6, 14, 30]);
  });

  it('notices within a minute that the clock was set back to before the start of the certificate', async () => {
    const clock = new JumpingClock();
    const setBack = async (milliseconds: number, signal: AbortSignal) => {
      await clock.wait(milliseconds, signal);
      if (clock.waits.length === 3) clock.now = new Date(start.getTime() - 365 * day);
    };
    const { tries } = await run(fresh, { clock, wait: setBack });

    expect(tries).toEqual([new Date(start.getTime() - 365 * day)]);
  });

  it('stops in the middle of a wait and leaves nothing running', async () => {
    const schedule = new RenewalSchedule({
      certificate: certificateOf(new Date(), 90),
      renew: () => Promise.reject(new Error('must not be called')),
    });
    schedule.start();

    await expect(schedule.stop()).resolves.toBeUndefined();
  });

  it('tells a try under way to abort when it is stopped', async () => {
    const begun = Promise.withResolvers<AbortSignal>();
    const schedule = new RenewalSchedule({
      certificate: certificateOf(new Date(0), 90),
      random: () => 0,
      renew: (signal) => {
        begun.resolve(signal);
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      },
    });
    schedule.start();
    const signal = await begun.promise;

    await schedule.stop();

    expect(signal.aborted).toBe(true);
  });
});
