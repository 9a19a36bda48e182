import { fingerprint } from '@sallyport/protocol';
import { openLog } from '@sallyport/runtime';
import { TestClock } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { RefusalLog } from './refusal-log.js';

/** A log whose lines can be read back, and a clock that stands until it is moved. */
function open() {
  const lines: string[] = [];
  const clock = new TestClock(new Date(0));
  const log = openLog({ destination: { write: (line: string) => void lines.push(line) } });
  const refusals = new RefusalLog(log, clock);
  const written = () => lines.map((line) => JSON.parse(line));
  return { refusals, clock, written };
}

const revoked = { reason: 'device-revoked', remoteAddress: '192.0.2.7' } as const;

describe('the log of refusals', () => {
  it('has a client that comes back each second once a minute, and how often it came in between', () => {
    const { refusals, clock, written } = open();
    for (let second = 0; second <= 120; second++) {
      refusals.note(revoked, 'mqtt');
      clock.advance(1);
    }
    expect(written().map(({ time: _, ...fields }) => fields)).toEqual([
      { level: 'info', message: 'peer refused', entrance: 'mqtt', ...revoked },
      { level: 'info', message: 'peer refused', entrance: 'mqtt', ...revoked, leftOut: 59 },
      { level: 'info', message: 'peer refused', entrance: 'mqtt', ...revoked, leftOut: 59 },
    ]);
  });

  it('leaves out the probes that an administrator has announced, and no more', () => {
    const stranger = { reason: 'no-certificate', remoteAddress: '127.0.0.1' } as const;
    const { refusals, clock, written } = open();
    refusals.expectProbes(1);
    expect(refusals.note({ ...revoked, fingerprint: fingerprint.parse('ab'.repeat(32)) }, 'mqtt')).toBe(0);
    expect(refusals.note(stranger, 'mqtt')).toBeUndefined();
    expect(refusals.note(stranger, 'mqtt')).toBe(0);
    refusals.expectProbes(1);
    clock.advance(11);
    expect(refusals.note({ ...stranger, remoteAddress: '127.0.1.1' }, 'mqtt')).toBe(0);
    expect(written()).toHaveLength(3);
  });

  it('has another reason of the same client, and another client, at once', () => {
    const { refusals, written } = open();
    refusals.note(revoked, 'mqtt');
    refusals.note({ ...revoked, reason: 'device-locked' }, 'mqtt');
    refusals.note({ ...revoked, remoteAddress: '192.0.2.8' }, 'mqtt');
    expect(written()).toHaveLength(3);
  });

  it('takes the addresses of one IPv6 network for one client', () => {
    const { refusals, written } = open();
    for (const host of [1, 2, 3]) refusals.note({ ...revoked, remoteAddress: `2001:db8::${host}` }, 'mqtt');
    expect(written()).toHaveLength(1);
  });

  it('has about two hundred lines a minute, however many clients come', () => {
    const { refusals, written } = open();
    for (let host = 0; host < 5_000; host += 1)
      refusals.note({ ...revoked, remoteAddress: `192.${host >> 8}.2.${host & 255}` }, 'mqtt');
    expect(written().length).toBeLessThanOrEqual(202);
  });

  it('is not silent for longer when the clock is set back', () => {
    const { refusals, clock, written } = open();
    clock.set(new Date(1_000_000_000));
    refusals.note(revoked, 'mqtt');
    clock.set(new Date(10_000));
    refusals.note(revoked, 'mqtt');
    expect(written()).toHaveLength(2);
  });
});
