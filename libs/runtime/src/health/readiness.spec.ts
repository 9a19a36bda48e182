import { describe, expect, it } from 'vitest';
import { Readiness } from './readiness.js';

describe('readiness', () => {
  it('names every dependency that does not work, and why', async () => {
    const readiness = new Readiness();
    readiness.add('mqtt', () => 'is not connected');
    readiness.add('store', () => Promise.reject(new Error('disk full')));
    readiness.add('clock', async () => undefined);
    expect(await readiness.report()).toEqual({
      ready: false,
      faults: { mqtt: 'is not connected', store: 'disk full' },
    });
  });

  it('answers in time when a dependency does not', async () => {
    const readiness = new Readiness({ deadlineMs: 20 });
    for (const name of ['mqtt', 'store']) readiness.add(name, () => new Promise(() => undefined));
    expect(await readiness.report()).toEqual({
      ready: false,
      faults: { mqtt: 'did not answer within 20 ms', store: 'did not answer within 20 ms' },
    });
  });

  it('ends with the service', async () => {
    const readiness = new Readiness();
    readiness.stop();
    expect(await readiness.report()).toEqual({ ready: false, faults: { service: 'is shutting down' } });
  });
});
