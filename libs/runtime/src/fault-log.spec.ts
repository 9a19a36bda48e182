import { TestClock } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { FaultLog, InnerFaultLog } from './fault-log.js';
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

describe('the log of faults inside', () => {
  it('has a line a minute on a full disk, and gives every answer an id that is in the log', () => {
    const lines: string[] = [];
    const clock = new TestClock(new Date(0));
    const log = openLog({ destination: { write: (line) => lines.push(line) } });
    const faults = new InnerFaultLog(log, clock, 'request failed inside');
    const ids = new Set<string>();
    for (let second = 0; second < 60; second++) {
      const full = { code: 'ENOSPC', path: `/var/lib/x.${second}.tmp` };
      const fault = Object.assign(new Error(`ENOSPC: no space left on device, open '${full.path}'`), full);
      ids.add(faults.identify(second % 2 === 0 ? fault : new Error('not stored', { cause: fault })));
      clock.advance(1);
    }
    expect(lines.map((line) => JSON.parse(line).correlationId)).toEqual([...ids]);
    expect(ids.size).toBe(1);
  });
});
