import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { authorityIdOf } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { fakeSite } from '../fixtures/fake-site.fixture.js';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';

const from = `ca:${'ab'.repeat(32)}`;
const to = `ca:${'cd'.repeat(32)}`;
const names = { fromName: 'CN=Fleet CA', toName: 'CN=Fleet CA 2' };

describe('device takeover', () => {
  it('counts first, page after page, and changes nothing', async () => {
    await using site = await fakeSite();
    const pages = [
      { devices: 200, cursor: 'next', ...names },
      { devices: 13, ...names },
    ];
    site.admin['device-registry'].routes.set('POST /v1/takeovers', () => pages.shift());

    expect(await site.run(['device', 'takeover', '--from', from, '--to', to])).toEqual({
      exitCode: 0,
      stdout:
        '213 devices of CN=Fleet CA would be handed over to CN=Fleet CA 2. Nothing has been changed.\nTo do it, run the same command with --yes.\n',
      stderr: '',
    });
    expect(site.admin['device-registry'].seen.map(({ body }) => body)).toEqual([
      { from, to, mode: 'count' },
      { from, to, mode: 'count', cursor: 'next' },
    ]);
  });

  it('hands them over when told to', async () => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set('POST /v1/takeovers', () => ({ devices: 1, ...names }));

    const { stdout } = await site.run(['device', 'takeover', 'child01', '--from', from, '--to', to, '--yes']);

    expect(stdout).toBe('1 device of CN=Fleet CA handed over to CN=Fleet CA 2.\n');
    expect(site.admin['device-registry'].seen.map(({ body }) => body)).toEqual([
      { from, to, deviceId: 'child01', mode: 'move' },
    ]);
  });

  it('takes files for both CAs, and finds records that name the old certificate', async () => {
    await using site = await fakeSite();
    const [former, next] = [new TestAuthority('Former'), new TestAuthority('Next')];
    await writeFile(join(site.directory, 'former.pem'), former.rootPem);
    await writeFile(join(site.directory, 'next.pem'), next.rootPem);
    site.admin['device-registry'].routes.set('POST /v1/takeovers', () => ({
      devices: 2,
      toName: next.root.subject.text,
    }));

    const files = ['--from', join(site.directory, 'former.pem'), '--to', join(site.directory, 'next.pem')];
    const { stdout } = await site.run(['device', 'takeover', ...files, '--json']);

    expect(JSON.parse(stdout)).toMatchObject({ devices: 4, to: next.root.subject.text, done: false });
    const successor = { to: authorityIdOf(next.root), toName: next.root.subject.text, mode: 'count' };
    expect(site.admin['device-registry'].seen.map(({ body }) => body)).toEqual([
      { from: authorityIdOf(former.root), ...successor },
      { from: former.root.fingerprint, ...successor },
    ]);
  });

  it('says what is wrong with something that is neither an id nor a CA', async () => {
    await using site = await fakeSite();

    const { exitCode, stderr } = await site.run(['device', 'takeover', '--from', from, '--to', 'nothing.pem']);

    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      'Error: --to: "nothing.pem" is no id of a CA, and as a file it holds nothing: there is no such file.\nName an id as "device list --json" shows it, or a PEM file with one certificate, that of the CA.\n',
    );
  });
});
