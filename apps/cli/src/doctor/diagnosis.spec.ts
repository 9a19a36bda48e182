import { describe, expect, it } from 'vitest';
import type { Finding } from './check.js';
import { diagnose } from './diagnosis.js';

const finding = (what: string, more: Pick<Finding, 'needs' | 'breaks'>) => {
  return { id: what, title: what, findings: [{ severity: 'error', what, fix: 'mend it', ...more } as const] };
};

describe('findings that explain each other', () => {
  it('are told once, and the one that was found first is the cause', () => {
    const store = finding('store', { needs: ['clock'], breaks: ['store'] });
    const clock = finding('clock', { needs: ['store'], breaks: ['clock'] });
    const service = finding('service', { needs: ['clock'] });

    const { causes } = diagnose([store, clock, service]);

    expect(causes.map(({ what, follows }) => ({ what, follows: follows.map((each) => each.what) }))).toEqual([
      { what: 'store', follows: ['clock', 'service'] },
    ]);
  });
});
