import { writeFile } from 'node:fs/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { certifiedDevicesFor, day, devicesFor } from '../fixtures/device-certificate.fixture.js';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';

const device = devicesFor(onTestFinished);
const deviceWithCertificate = certifiedDevicesFor(onTestFinished);

describe('cert needs-renewal', () => {
  it.each([
    ['2025-12-31T00:00:00Z', 'NOT VALID YET (will be in: 1d)', 0],
    ['2026-02-01T00:00:00Z', 'VALID (expires in: 59d)', 1],
    ['2026-03-02T00:00:00Z', 'EXPIRES SOON (expires in: 30d)', 0],
    ['2026-05-01T00:00:00Z', 'EXPIRED (since: 30d)', 0],
  ])('at %s says %s on standard error, and exits with the code scripts expect', async (now, status, exitCode) => {
    const { run } = await deviceWithCertificate();

    expect(await run(['cert', 'needs-renewal', 'c8y'], { now: () => new Date(now) })).toEqual({
      exitCode,
      stdout: '',
      stderr: `Status:        ${status}\n`,
    });
  });

  it('tells a program in JSON', async () => {
    const { run, cert } = await deviceWithCertificate();

    const ran = await run(['cert', 'needs-renewal', '--json'], { now: () => new Date('2026-03-02T00:00:00Z') });

    expect({ ...ran, stdout: JSON.parse(ran.stdout) }).toEqual({
      exitCode: 0,
      stdout: {
        certificate: cert,
        needsRenewal: true,
        status: 'expires-soon',
        statusSeconds: 2_592_000,
        validUntil: '2026-04-01T00:00:00.000Z',
      },
      stderr: '',
    });
  });

  it('keeps to the minimum the settings say', async () => {
    const { run } = await deviceWithCertificate();
    const at = (now: string) => ({
      now: () => new Date(now),
      env: { TEDGE_CERTIFICATE_VALIDITY_MINIMUM_DURATION: '60d' },
    });

    expect((await run(['cert', 'needs-renewal'], at('2026-01-30T00:00:00Z'))).exitCode).toBe(1);
    expect((await run(['cert', 'needs-renewal'], at('2026-01-31T00:00:00Z'))).exitCode).toBe(0);
  });

  it('lets a certificate of 9 days live for 6 of them', async () => {
    const { run, cert } = await deviceWithCertificate();
    const notBefore = new Date('2026-01-01T00:00:00Z');
    const { certPem } = new TestAuthority().issue({
      commonName: 'child01',
      notBefore,
      notAfter: new Date(notBefore.getTime() + 9 * day),
    });
    await writeFile(cert, certPem);
    for (const asked of ['02', '03', '04', '05', '06'])
      await run(['cert', 'needs-renewal'], { now: () => new Date(`2026-01-${asked}T00:00:00Z`) });

    expect((await run(['cert', 'needs-renewal'], { now: () => new Date('2026-01-06T23:00:00Z') })).exitCode).toBe(1);
    expect((await run(['cert', 'needs-renewal'], { now: () => new Date('2026-01-07T00:00:00Z') })).exitCode).toBe(0);
  });

  describe('asked by a device that sleeps', () => {
    const asker = async () => {
      const { run, ...made } = await deviceWithCertificate();
      const onDay = async (days: number) => {
        const now = () => new Date(Date.parse('2026-01-01T00:00:00Z') + days * day);
        return (await run(['cert', 'needs-renewal'], { now })).exitCode === 0;
      };
      return { ...made, onDay };
    };

    it.each([
      ['wakes every 45 days', [45], [true]],
      ['wakes every 30 days', [0, 30, 60], [false, false, true]],
      ['asks every ten days', [10, 20, 30, 40, 50, 60], [false, false, false, false, false, true]],
      ['slept for 40 days once, and asks every day now', [40, 41, 42, 43], [true, false, false, false]],
      ['tries again a minute after a renewal that failed', [45, 45 + 1 / 1440], [true, true]],
      ['had a clock that was a year ahead', [365, 0, 1], [true, false, false]],
    ])('says yes in time when it %s', async (_case, days, expected) => {
      const { onDay } = await asker();
      const answers: boolean[] = [];
      for (const each of days) answers.push(await onDay(each));
      expect(answers).toEqual(expected);
    });

    it.each([
      ['damaged', 'not JSON'],
      ['of another program', '{"askedAt": 7}'],
    ])('answers by the certificate alone when what it remembers is %s', async (_case, text) => {
      const { onDay, cert } = await asker();
      await writeFile(`${cert}.asked`, text);
      expect(await onDay(2)).toBe(false);
    });
  });

  it('exits with 2 when it cannot tell', async () => {
    const { run } = await device();

    const { exitCode, stderr } = await run(['cert', 'needs-renewal']);

    expect(exitCode).toBe(2);
    expect(stderr).toContain('There is no certificate');
  });
});

describe('cert needs-renewal --json', () => {
  it('tells a program in JSON why it cannot tell', async () => {
    const { run } = await device();

    const { exitCode, stdout, stderr } = await run(['cert', 'needs-renewal', '--json']);

    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(JSON.parse(stderr)).toMatchObject({
      error: { type: 'failed', what: expect.stringContaining('no certificate') },
    });
  });
});
