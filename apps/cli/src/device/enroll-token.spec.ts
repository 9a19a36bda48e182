import { describe, expect, it } from 'vitest';
import { description } from '../fixtures/device-answers.fixture.js';
import { fakeSite } from '../fixtures/fake-site.fixture.js';
import { tokenFor } from '../fixtures/token.fixture.js';

describe('device enroll-token', () => {
  it('prints one token on stdout and nothing else', async () => {
    await using site = await fakeSite();

    expect(await site.run(['device', 'enroll-token', 'child01'])).toEqual({
      exitCode: 0,
      stdout: `${tokenFor('child01', site.authority)}\n`,
      stderr: '',
    });
    expect(site.admin['pki-signer'].seen).toEqual([
      {
        route: 'POST /v1/enrollments',
        body: { deviceId: 'child01', profile: 'device', reinstate: false, subjectAltNames: [] },
      },
    ]);
  });

  it('spells the name of an OCF device in lower case', async () => {
    await using site = await fakeSite();
    await site.run(['device', 'enroll-token', 'uuid:B5A2A42E-B285-42F1-A36B-034C8FC8EFD5']);
    expect(site.admin['pki-signer'].seen[0]?.body).toMatchObject({
      deviceId: 'uuid:b5a2a42e-b285-42f1-a36b-034c8fc8efd5',
    });
  });

  it('names the user who asks for it', async () => {
    await using site = await fakeSite();
    await site.run(['device', 'enroll-token', 'child01']);
    expect([...site.admin['pki-signer'].actors]).toEqual(['alice']);
  });

  it('tells a person at a terminal the whole command to type on the device, and the time on the wall', async () => {
    await using site = await fakeSite();
    const env = { TZ: 'Europe/Berlin' };
    const token = tokenFor('child01', site.authority);

    const { stdout, stderr } = await site.run(['device', 'enroll-token', 'child01'], { isTerminal: true, env });
    await site.run(['config', 'set', 'pki.bind.address', '0.0.0.0']);
    await site.run(['config', 'set', 'pki.hostnames', 'gateway.lan']);
    const fromLan = await site.run(['device', 'enroll-token', 'child01'], { isTerminal: true, env });

    const command = `  sallyport cert download --device-id child01 --one-time-password ${token} --url https://`;
    expect(stdout).toBe(`${token}\n`);
    expect(stderr.split('\n')).toEqual([
      'For child01, once, until 2030-01-01 01:00:00+0100. Next, on the device:',
      `${command}localhost:${site.ports.pki}`,
      'Only this machine reaches that address. For others set pki.bind.address, and pki.url to what they can reach.',
      '',
    ]);
    expect(fromLan.stderr).toMatch(new RegExp(`${command}gateway.lan:${site.ports.pki}\\n$`));
  });

  it('passes on what the token is for and how long it lasts', async () => {
    await using site = await fakeSite();

    await site.run(['device', 'enroll-token', 'alice', '--reinstate', '--validity', '2h', '--profile', 'admin']);

    expect(site.admin['pki-signer'].seen[0]?.body).toMatchObject({
      deviceId: 'alice',
      profile: 'admin',
      reinstate: true,
      validitySeconds: 7_200,
    });
  });

  it('passes on the names and addresses a service may ask for', async () => {
    await using site = await fakeSite();

    const words = ['mqtt-broker', '--profile', 'service', '--host', 'Broker.example', '--host', '192.0.2.7'];
    await site.run(['device', 'enroll-token', ...words]);

    expect(site.admin['pki-signer'].seen[0]?.body).toMatchObject({
      profile: 'service',
      subjectAltNames: [
        { type: 'dns', value: 'broker.example' },
        { type: 'ip', value: '192.0.2.7' },
      ],
    });
  });

  it.each([
    ['locked', 'locked', [], 'The device is locked.', 'sallyport device unlock child01'],
    ['revoked', 'revoked', [], 'The device has been revoked.', 'sallyport device enroll-token --reinstate child01'],
    ['retired', 'retired', ['--reinstate'], 'The device has been retired.', 'Use another device id'],
  ])('makes none for a device that is %s, and says so', async (_, state, more, meaning, remedy) => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set('GET /v1/devices/child01', () => ({ ...description, state }));

    const { exitCode, stdout, stderr } = await site.run(['device', 'enroll-token', 'child01', ...more]);

    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toContain(`${meaning} A token would be of no use, so none was made.`);
    expect(stderr).toContain(remedy);
    expect(site.admin['pki-signer'].seen).toEqual([]);
  });

  it('makes none for a name that differs from that of a device in case only', async () => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set('GET /v1/devices/Child01', () => description);

    expect((await site.run(['device', 'enroll-token', 'Child01'])).stderr).toBe(
      'Error: "Child01" and the device "child01" differ in upper and lower case only, and both cannot exist. No token was made.\nUse the name "child01" for that device, or another name for a new one.\n',
    );
  });

  it('brings a revoked device back when that is asked for', async () => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set('GET /v1/devices/child01', () => description);

    expect(await site.run(['device', 'enroll-token', 'child01', '--reinstate'])).toMatchObject({ exitCode: 0 });
  });

  it.each([
    ['a bad name', ['a/b']],
    ['a bad host', ['broker', '--host', 'https://broker']],
    ['no name', []],
    ['a bad duration', ['child01', '--validity', 'soon']],
    ['a bad profile', ['child01', '--profile', 'root']],
  ])('is called wrongly with %s', async (_, words) => {
    await using site = await fakeSite();

    expect(await site.run(['device', 'enroll-token', ...words])).toMatchObject({ exitCode: 2, stdout: '' });
  });
});
