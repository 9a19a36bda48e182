import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { auditPage } from '@sallyport/protocol';
import { freePorts } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { System, succeeded } from './system.js';

// The tests run in order: the first one opens the entrance, the others use it.
describe('the admin API of the signer on the network', () => {
  let system: System;
  let port: number;

  beforeAll(async () => {
    [port = 0] = await freePorts(1);
    system = await System.start();
  });

  afterAll(() => system.stop());

  const remote = (...words: string[]) =>
    system.sallyport(...words, '--admin-url', `pki-signer=https://localhost:${port}`);

  it('is not there after "secure mutual" on a usual site', async () => {
    succeeded(await system.sallyport('secure', 'mutual'));
    expect((await remote('ca', 'show')).stderr).toContain(`nothing listens at https://localhost:${port}`);
  });

  it('opens at level mutual where its port is set', async () => {
    succeeded(await system.sallyport('config', 'set', 'pki.admin.bind.port', String(port)));
    await system.interrupt();
    await system.resume();
    expect((await remote('ca', 'show')).stderr).toContain(`nothing listens at https://localhost:${port}`);
    expect(succeeded(await system.sallyport('secure', 'mutual'))).toContain('prove pki-signer');
    expect(succeeded(await remote('ca', 'show'))).toContain('device-1');
    expect((await system.sallyport('doctor')).code).toBe(0);
  });

  it('writes down the administrator that the certificate names', async () => {
    succeeded(await remote('device', 'enroll-token', 'child01'));
    const rows = await system.admin('pki-signer').get('/v1/audit?limit=1000', auditPage);
    expect(rows.rows.at(-1)).toMatchObject({
      action: 'enrolment-created',
      actor: 'admin:operator',
      subject: 'child01',
    });
  });

  it('gives no key of a CA away', async () => {
    await writeFile(join(system.directory, 'passphrase'), 'correct horse battery\n');
    const words = ['ca', 'export', 'root-1', '--with-key', '--output', 'root.p12', '--passphrase-file', 'passphrase'];
    const { code, stderr } = await remote(...words);
    expect([code, stderr]).toEqual([1, expect.stringContaining('does not leave over the network')]);
    succeeded(await system.sallyport(...words));
  });

  it('is closed again below level mutual', async () => {
    succeeded(await system.sallyport('secure', 'plain'));
    expect((await remote('ca', 'show')).stderr).toContain(`nothing listens at https://localhost:${port}`);
  });

  it('closes and opens with its port, without a restart', async () => {
    succeeded(await system.sallyport('secure', 'mutual'));
    succeeded(await system.sallyport('config', 'unset', 'pki.admin.bind.port'));
    expect(succeeded(await remote('ca', 'show'))).toContain('device-1');
    expect(succeeded(await system.sallyport('secure', 'mutual'))).toContain('close pki-signer');
    expect((await remote('ca', 'show')).stderr).toContain(`nothing listens at https://localhost:${port}`);
    succeeded(await system.sallyport('config', 'set', 'pki.admin.bind.port', String(port)));
    expect(succeeded(await system.sallyport('secure', 'mutual'))).toContain('prove pki-signer');
    expect(succeeded(await remote('ca', 'show'))).toContain('device-1');
  });
});
