import { TestClock } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { FaultLog } from './fault-log.js';
import { openLog } from './log.js';

/** A log whose lines can be read back, and a clock that stands until it is moved. */
function openFaultLog() {
  const lines: string[] = [];
  const clock = new TestClock(new Date(0));
  const log = openLog({ destination: { write: (line) => lines.push(line) } });
  const faults = new FaultLog(log, clock, 'broker away', { broker: 'mqtt://b' });
  const written = () => lines.map((line) => JSON.parse(line)).map(({ time: _, ...fields }) => fields);
  return { faults, clock, written };
}

describe('the log of faults that mend themselves', () => {
  it('has the first of a kind at once, with its causes in one line', () => {
    const { faults, written } = openFaultLog();
    faults.note(new Error('no session', { cause: new Error('connect ECONNREFUSED') }));
    const reason = 'no session: connect ECONNREFUSED';
    expect(written()).toEqual([{ level: 'warn', message: 'broker away', broker: 'mqtt://b', reason }]);
  });

  it('has the same fault once a minute, and how often it came in between', () => {
    const { faults, clock, written } = openFaultLog();
    for (let second = 0; second <= 60; second++) {
      faults.note(new Error('refused'));
      clock.advance(1);
    }
    expect(written().map(({ reason, repeats }) => [reason, repeats])).toEqual([
      ['refused', undefined],
      ['refused', 59],
    ]);
  });

  it('has a fault of another kind at once', () => {
    const { faults, written } = openFaultLog();
    faults.note(new Error('refused'));
    faults.note(new Error('certificate expired'));
    expect(written().map(({ reason }) => reason)).toEqual(['refused', 'certificate expired']);
  });

  it('says why a host with several addresses cannot be reached', () => {
    const { faults, written } = openFaultLog();
    faults.note(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }));
    expect(written()[0]?.reason).toBe('ECONNREFUSED');
  });
});
