import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { auditPage, auditVerdict, hierarchyDescription } from '@sallyport/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from './device.js';
import { type CommandResult, System, succeeded } from './system.js';

const auditors = ['pki-signer', 'device-registry'] as const;

// Each a story told in order: what was there before is looked for afterwards.
describe.each([
  ['Ctrl-C', (system: System) => system.interrupt()],
  ['kill -9', (system: System) => system.kill()],
])('a site that starts again after %s', (_, end) => {
  let system: System;
  let child: Device;
  let former: Device;
  let unusedToken: string;
  let caFingerprint: string;
  const auditHeads = new Map<string, { rows: number; headHash: string }>();

  const token = async (name: string) => succeeded(await system.sallyport('device', 'enroll-token', name)).trim();
  const enrolWith = (name: string, oneTimePassword: string): Promise<CommandResult> => {
    const args = ['--config-dir', join(system.directory, name), '--device-id', name, '--url', system.estUrl];
    return system.sallyport('cert', 'download', ...args, '--one-time-password', oneTimePassword);
  };
  const read = (identity: readonly string[]): Promise<CommandResult> =>
    system.run('curl', [...identity, `https://${system.fileUrl}/foo.txt`]);
  const fingerprint = async () => (await system.admin('pki-signer').get('/v1/ca', hierarchyDescription)).caFingerprint;

  beforeAll(async () => {
    system = await System.start();
    child = await system.enrol('child01');
    former = await system.enrol('child02');
    unusedToken = await token('child03');
    succeeded(await system.sallyport('secure', 'mutual'));
    await writeFile(join(system.directory, 'foo.txt'), 'Hello thin-edge.io\n');
    succeeded(await system.run('curl', [...child.curl, '-T', 'foo.txt', `https://${system.fileUrl}/foo.txt`]));
    succeeded(await system.sallyport('device', 'revoke', 'child02', '--reason', 'sold'));
    caFingerprint = await fingerprint();
    for (const service of auditors) {
      const verdict = await system.admin(service).get('/v1/audit/verify', auditVerdict);
      if (verdict.intact) auditHeads.set(service, verdict);
    }
    await end(system);
    await system.resume();
  });

  afterAll(() => system.stop());

  it('has the same CA', async () => {
    expect(await fingerprint()).toBe(caFingerprint);
  });

  it('is at level mutual', async () => {
    const { code } = await read(['-sS', '--cacert', child.caPath]);
    expect(code).toBe(56);
  });

  it('admits an enrolled device and has its file', async () => {
    expect(await read(child.curl)).toEqual({ code: 0, stdout: 'Hello thin-edge.io\n', stderr: '' });
  });

  it('refuses a revoked device, and knows why', async () => {
    expect((await read(former.curl)).code).not.toBe(0);
    const shown = succeeded(await system.sallyport('device', 'show', 'child02'));
    expect(shown).toMatch(/^State: +revoked$/m);
    expect(shown).toMatch(/ revoked +local-admin +sold$/m);
  });

  it('gives a certificate for a token made before', async () => {
    expect(await enrolWith('child03', unusedToken)).toMatchObject({ code: 0 });
  });

  it('gives none for a token used before', async () => {
    expect(await enrolWith('child03', unusedToken)).toMatchObject({ code: 1 });
  });

  it.each(auditors)('goes on with the audit log of the %s, of which no row is gone', async (service) => {
    const { rows = 0, headHash = '' } = auditHeads.get(service) ?? {};
    const page = await system.admin(service).get(`/v1/audit?after=${rows - 1}&limit=1`, auditPage);
    expect(page.rows.map(({ sequence, hash }) => [sequence, hash])).toEqual([[rows, headHash]]);
    const verdict = await system.admin(service).get('/v1/audit/verify', auditVerdict);
    expect(verdict).toMatchObject({ intact: true });
    expect(verdict.rows).toBeGreaterThan(rows);
  });

  it('leaves no temporary file', async () => {
    expect(await readdir(system.filesDirectory)).toEqual(['foo.txt']);
  });

  it('is healthy', async () => {
    const { code, stdout } = await system.sallyport('doctor');
    expect({ code, stdout }).toMatchObject({ code: 0 });
  });
});
