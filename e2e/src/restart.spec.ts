import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AuditVerdict, auditPage, auditVerdict, hierarchyDescription } from '@sallyport/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from './device.js';
import { type CommandResult, System, succeeded } from './system.js';

const auditors = ['pki-signer', 'device-registry'] as const;

// The tests run in order. After each start they check that everything from before is still there.
describe('a site', () => {
  let system: System;
  let child: Device;
  let former: Device;
  let caFingerprint: string;

  beforeAll(async () => {
    system = await System.start();
    child = await system.enrol('child01');
    former = await system.enrol('child02');
    succeeded(await system.sallyport('secure', 'mutual'));
    await writeFile(join(system.directory, 'foo.txt'), 'Hello thin-edge.io\n');
    succeeded(await system.run('curl', [...child.curl, '-T', 'foo.txt', `https://${system.fileUrl}/foo.txt`]));
    succeeded(await system.sallyport('device', 'revoke', 'child02', '--reason', 'sold'));
    caFingerprint = await fingerprint();
  });

  afterAll(() => system.stop());

  const fingerprint = async () => (await system.admin('pki-signer').get('/v1/ca', hierarchyDescription)).caFingerprint;
  const verdictOf = (service: (typeof auditors)[number]) => system.admin(service).get('/v1/audit/verify', auditVerdict);
  const read = (identity: readonly string[]): Promise<CommandResult> =>
    system.run('curl', [...identity, `https://${system.fileUrl}/foo.txt`]);
  const enrolIn = (folder: string, name: string, token: string): Promise<CommandResult> => {
    const args = ['--config-dir', join(system.directory, folder), '--device-id', name, '--url', system.estUrl];
    return system.sallyport('cert', 'download', ...args, '--one-time-password', token);
  };

  describe.each([
    ['Ctrl-C', 'child03', () => system.interrupt()],
    ['kill -9', 'child04', () => system.kill()],
  ])('that starts again after %s', (_, newcomer, end) => {
    let token: string;
    const before = new Map<string, AuditVerdict>();

    beforeAll(async () => {
      token = succeeded(await system.sallyport('device', 'enroll-token', newcomer)).trim();
      for (const service of auditors) before.set(service, await verdictOf(service));
      await end();
      await system.resume();
    });

    it('has the same CA', async () => {
      expect(await fingerprint()).toBe(caFingerprint);
    });

    it('is at level mutual', async () => {
      expect((await read(['-sS', '--cacert', child.caPath])).code).toBe(56);
    });

    it('admits an enrolled device and has its file', async () => {
      expect(await read(child.curl)).toEqual({ code: 0, stdout: 'Hello thin-edge.io\n', stderr: '' });
    });

    it('refuses a revoked device, and knows why', async () => {
      expect(await read([...former.curl, '--fail-with-body'])).toMatchObject({
        code: 22,
        stdout: expect.stringContaining('"reason":"device-revoked"'),
      });
      const shown = succeeded(await system.sallyport('device', 'show', 'child02'));
      expect(shown).toMatch(/^State: +revoked$/m);
      expect(shown).toMatch(/ revoked +local-admin:\S+ +sold$/m);
    });

    it('gives one certificate for a token made before', async () => {
      expect(await enrolIn(newcomer, newcomer, token)).toMatchObject({ code: 0 });
      const { code, stderr } = await enrolIn('thief', newcomer, token);
      expect([code, stderr]).toEqual([1, expect.stringMatching(/refused the one-time token/)]);
    });

    it.each(auditors)('goes on with the audit log of the %s, of which no row is gone', async (service) => {
      const head = before.get(service);
      if (head?.intact !== true) throw new Error(`the log was not intact before: ${JSON.stringify(head)}`);
      const page = await system.admin(service).get(`/v1/audit?after=${head.rows - 1}&limit=1`, auditPage);
      expect(page.rows.map(({ sequence, hash }) => [sequence, hash])).toEqual([[head.rows, head.headHash]]);
      const now = await verdictOf(service);
      expect(now).toMatchObject({ intact: true });
      expect(now.rows).toBeGreaterThan(head.rows);
    });

    it('leaves no temporary file', async () => {
      expect(await readdir(system.filesDirectory)).toEqual(['foo.txt']);
    });

    it('is healthy', async () => {
      const { code, stdout } = await system.sallyport('doctor');
      expect({ code, stdout }).toMatchObject({ code: 0 });
    });
  });
});
