import { describe, expect, it } from 'vitest';
import { logLines } from './log-lines.js';

describe('the log of a service', () => {
  const linesFor = (outcome: 'succeeded' | 'refused', action = 'device-locked') => {
    const lines: unknown[] = [];
    const log = { info: (fields: object, message: string) => void lines.push({ ...fields, message }) };
    const told = logLines(log, (entry) => (entry.action === 'device-locked' ? 'device locked' : undefined));
    told({ actor: 'local-admin:alice', action, subject: 'child01', outcome, details: { reason: 'lost', other: 1 } });
    return lines;
  };

  it('has one line for an audited change that was asked for', () => {
    expect(linesFor('succeeded')).toEqual([
      { deviceId: 'child01', actor: 'local-admin:alice', reason: 'lost', message: 'device locked' },
    ]);
  });

  it('has none for other actions, and none for what was refused', () => {
    expect(linesFor('succeeded', 'device-tagged')).toEqual([]);
    expect(linesFor('refused')).toEqual([]);
  });
});
