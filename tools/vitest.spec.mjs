import { describe, expect, it } from 'vitest';
import { withSecondTry } from './vitest.mjs';

const good = { isGood: true, passed: 10, failed: 0, skipped: 1, failedFiles: [], failures: [] };
const bad = {
  isGood: false,
  passed: 8,
  failed: 2,
  skipped: 1,
  failedFiles: ['a.spec.ts'],
  failures: [{ where: 'a.spec.ts > adds', error: 'no' }],
};

/** Returns one prepared result for each attempt, and records the files it was asked to run. */
function attempts(...results) {
  const asked = [];
  const said = [];
  const attempt = (files) => {
    asked.push(files);
    return results[asked.length - 1];
  };
  return { asked, said, outcome: withSecondTry(attempt, (line) => said.push(line)) };
}

describe('the tests', () => {
  it('run once when all of them pass', () => {
    const { asked, outcome } = attempts(good);
    expect(asked).toEqual([[]]);
    expect(outcome).toEqual({ isGood: true, passed: 10, failed: 0, skipped: 1, failures: [] });
  });

  it('of a file that failed run once more, and the file is named', () => {
    const { asked, said, outcome } = attempts(bad, { ...good, passed: 5 });
    expect(asked).toEqual([[], ['a.spec.ts']]);
    expect(said.join()).toContain('Passed at the second try: a.spec.ts');
    expect(outcome).toEqual({ isGood: true, passed: 10, failed: 0, skipped: 1, failures: [] });
  });

  it('fail when a file fails again', () => {
    const { outcome } = attempts(bad, { ...bad, passed: 4, failed: 1 });
    expect(outcome).toEqual({ isGood: false, passed: 9, failed: 1, skipped: 1, failures: bad.failures });
  });

  it('fail at once when many files do', () => {
    const many = { ...bad, failedFiles: ['a', 'b', 'c', 'd', 'e', 'f'] };
    const { asked, outcome } = attempts(many);
    expect(asked).toHaveLength(1);
    expect(outcome.isGood).toBe(false);
  });

  it('fail when something went wrong outside of a test', () => {
    const { asked, outcome } = attempts({ ...good, isGood: false });
    expect(asked).toHaveLength(1);
    expect(outcome.isGood).toBe(false);
  });
});
