import { describe, expect, it } from 'vitest';
import { at, description, summary } from '../fixtures/device-answers.fixture.js';
import { fakeSite } from '../fixtures/fake-site.fixture.js';

const fleet = `ca:${'cd'.repeat(32)}`;

describe('device list', () => {
  it('lists every device, page after page', async () => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set('GET /v1/devices', ({ url }) =>
      url.searchParams.get('cursor') === null
        ? { devices: [{ ...summary, notAfter: at }], cursor: 'next' }
        : {
            devices: [
              { ...summary, deviceId: 'child02', state: 'locked', authority: fleet, authorityName: 'CN=Fleet CA' },
            ],
          },
    );

    const { stdout } = await site.run(['device', 'list', '--state', 'active']);

    expect(stdout.split('\n')).toEqual([
      'DEVICE   KIND    STATE   SINCE                     CERTIFICATE UNTIL         VOUCHED BY',
      'child01  device  active  2026-05-01T12:00:00.000Z  2026-05-01T12:00:00.000Z  this site',
      'child02  device  locked  2026-05-01T12:00:00.000Z  -                         CN=Fleet CA',
      '',
    ]);
    expect(site.admin['device-registry'].seen.map(({ route }) => route)).toEqual([
      'GET /v1/devices?limit=1000&state=active',
      'GET /v1/devices?limit=1000&state=active&cursor=next',
    ]);
  });

  it('prints JSON for programs', async () => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set('GET /v1/devices', () => ({ devices: [summary] }));

    expect(JSON.parse((await site.run(['device', 'list', '--json'])).stdout)).toEqual({ devices: [summary] });
  });
});

describe('device show', () => {
  it('prints certificates, history, and why the device was turned away', async () => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set('GET /v1/devices/child01', () => description);

    const { stdout } = await site.run(['device', 'show', 'child01']);

    expect(stdout).toContain('State:      revoked\n');
    expect(stdout).toMatch(/0102 .*revoked 2026-05-01T12:00:00.000Z \(device revoked\)/);
    expect(stdout).toMatch(/revoked +local-admin +stolen/);
    expect(stdout).toContain('http from 192.0.2.9: device-revoked. The device has been revoked.');
  });

  it('tells the remedy of a refusal as the user types it', async () => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set('GET /v1/devices/child01', () => description);

    const { stdout } = await site.run(['device', 'show', 'child01'], { programName: 'npx sallyport' });

    expect(stdout).toContain('enrol it again: npx sallyport device enroll-token --reinstate child01\n');
  });

  it('names the CA that vouches for a device', async () => {
    await using site = await fakeSite();
    const named = { ...description, authority: fleet, authorityName: 'CN=Fleet CA' };
    site.admin['device-registry'].routes.set('GET /v1/devices/child01', () => named);

    const { stdout } = await site.run(['device', 'show', 'child01']);

    expect(stdout).toContain(`Vouched by: CN=Fleet CA (${fleet})\n`);
  });

  it.each([
    ['2026-01-01T00:00:00.000Z', '2026-03-01T00:00:00.000Z', 'expired'],
    ['2026-07-01T00:00:00.000Z', '2026-08-01T00:00:00.000Z', 'not valid yet'],
    ['2026-01-01T00:00:00.000Z', '2026-08-01T00:00:00.000Z', 'valid'],
  ])('calls a certificate from %s until %s %s', async (notBefore, notAfter, status) => {
    await using site = await fakeSite();
    const [known] = description.certificates;
    const certificates = [{ ...known, revocation: undefined, notBefore, notAfter }];
    site.admin['device-registry'].routes.set('GET /v1/devices/child01', () => ({ ...description, certificates }));

    const { stdout } = await site.run(['device', 'show', 'child01'], { now: () => new Date('2026-06-01T00:00:00Z') });

    expect(stdout).toMatch(new RegExp(` ${notAfter} +${status} +[0-9a-f]{64}\n`));
  });

  it('says so when there is no such device', async () => {
    await using site = await fakeSite();

    const { exitCode, stderr } = await site.run(['device', 'show', 'nobody']);

    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^Error: There is no /);
  });
});

describe('device lock, unlock, revoke and retire', () => {
  it.each(['lock', 'unlock', 'revoke', 'retire'])('%s asks the registry, with the reason', async (action) => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set('POST /v1/devices/:id/:action', () => description);

    const { exitCode, stdout } = await site.run(['device', action, 'aa:bb%cc', '--reason', 'stolen']);

    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^Device aa:bb%cc is (locked|unlocked|revoked|retired)\.\n$/);
    expect(site.admin['device-registry'].seen).toEqual([
      { route: `POST /v1/devices/aa%3Abb%25cc/${action}`, body: { reason: 'stolen' } },
    ]);
  });
});

describe('a device whose name a URL would read otherwise', () => {
  it.each(['show', 'lock'])('is the one device %s is about', async (action) => {
    await using site = await fakeSite();

    await site.run(['device', action, 'a?b%2f']);

    expect(site.admin['device-registry'].seen.map(({ route }) => route.split(' ')[1])).toEqual([
      `/v1/devices/a%3Fb%252f${action === 'show' ? '' : '/lock'}`,
    ]);
  });
});

describe('a device whose name a shell would read otherwise', () => {
  it('is quoted in the command to run next', async () => {
    await using site = await fakeSite();

    const { stderr } = await site.run(['device', 'enroll-token', "a'b(c)*"], { isTerminal: true });

    expect(stderr).toContain(`cert download --device-id 'a'\\''b(c)*' --one-time-password `);
  });
});
