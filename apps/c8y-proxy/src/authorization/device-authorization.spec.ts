import { TestClock } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { GatewayFault } from '../forwarding/gateway-fault.js';
import { DeviceAuthorization } from './device-authorization.js';
import type { Authorization } from './device-token.js';

// The clock is set forward in seconds.
const minute = 60;

/** An authorization whose source gives `Bearer 1`, `Bearer 2` and so on, each for so long. */
function authorization({ lifetimeMs }: { lifetimeMs: number | undefined } = { lifetimeMs: 3_600_000 }) {
  const clock = new TestClock();
  const asked: PromiseWithResolvers<Authorization>[] = [];
  const faults: unknown[] = [];
  const device = new DeviceAuthorization({
    source: {
      fetch: () => {
        const answer = Promise.withResolvers<Authorization>();
        asked.push(answer);
        return answer.promise;
      },
    },
    nowMs: () => clock.now().getTime(),
    calmMs: 10_000,
    onFetched: (fault) => void faults.push(fault),
  });
  const answer = () => asked.at(-1)?.resolve({ value: `Bearer ${asked.length}`, lifetimeMs });
  const fail = () => asked.at(-1)?.reject(new GatewayFault('token-unavailable', 'away'));
  const first = async () => {
    const current = device.current();
    answer();
    return current;
  };
  return { device, clock, asked, faults, answer, fail, first };
}

describe('the authorization of the device', () => {
  it('is fetched once for all who wait for it', async () => {
    const { device, asked, answer } = authorization();
    const waiting = Array.from({ length: 10 }, () => device.current());
    answer();

    expect((await Promise.all(waiting)).map(({ value }) => value)).toEqual(
      Array.from({ length: 10 }, () => 'Bearer 1'),
    );
    expect(asked.length).toBe(1);
  });

  it('is renewed after four fifths of its life, while the present one is used', async () => {
    const { device, clock, asked, answer, first } = authorization();
    await first();
    clock.advance(47 * minute);
    expect([device.present?.value, asked.length]).toEqual(['Bearer 1', 1]);

    clock.advance(minute);
    expect([device.present?.value, asked.length]).toEqual(['Bearer 1', 2]);
    expect([device.present?.value, asked.length]).toEqual(['Bearer 1', 2]);
    answer();
    await expect.poll(() => device.present?.value).toBe('Bearer 2');
  });

  it('stays in use when it cannot be renewed, which is tried again every 15 seconds', async () => {
    const { device, clock, asked, faults, fail, first } = authorization();
    await first();
    clock.advance(50 * minute);
    expect(device.present?.value).toBe('Bearer 1');
    fail();
    await expect.poll(() => faults.length).toBe(2);
    clock.advance(14);
    expect([device.present?.value, asked.length]).toEqual(['Bearer 1', 2]);
    clock.advance(1);
    expect([device.present?.value, asked.length]).toEqual(['Bearer 1', 3]);
    fail();
  });

  it('is not used after its end', async () => {
    const { device, clock, asked, answer, first } = authorization();
    await first();
    clock.advance(60 * minute);

    expect(device.present).toBeUndefined();
    const next = device.current();
    answer();
    expect([(await next).value, asked.length]).toEqual(['Bearer 2', 2]);
  });

  it('without a known end is used until it is refused', async () => {
    const { device, clock, asked, first } = authorization({ lifetimeMs: undefined });
    await first();
    clock.advance(400 * 24 * 60 * minute);

    expect([device.present?.value, asked.length]).toEqual(['Bearer 1', 1]);
  });

  it('is fetched once for all whom the cloud has refused, early and late', async () => {
    const { device, asked, answer, first } = authorization();
    const refused = await first();
    const early = [device.insteadOf(refused), device.insteadOf(refused)];
    answer();
    const renewed = await Promise.all(early);
    const late = await device.insteadOf(refused);

    expect([...renewed, late].map(({ value }) => value)).toEqual(['Bearer 2', 'Bearer 2', 'Bearer 2']);
    expect(asked.length).toBe(2);
  });

  it('that replaced a refused one, and is refused too, is replaced only after a while', async () => {
    const { device, clock, answer, first } = authorization();
    const refused = await first();
    expect(device.mayReplace(refused)).toBe(true);
    const renewed = device.insteadOf(refused);
    answer();
    const replacement = await renewed;

    expect([device.mayReplace(refused), device.mayReplace(replacement)]).toEqual([true, false]);
    clock.advance(10);
    expect(device.mayReplace(replacement)).toBe(true);
  });

  it('that cannot be fetched is a fault for all who wait, and asked for again by the next', async () => {
    const { device, asked, fail, answer } = authorization();
    const waiting = [device.current(), device.current()];
    fail();
    expect((await Promise.allSettled(waiting)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);

    const next = device.current();
    answer();
    expect([(await next).value, asked.length]).toEqual(['Bearer 2', 2]);
  });
});
