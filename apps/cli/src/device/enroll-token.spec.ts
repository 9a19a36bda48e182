import { describe, expect, it } from 'vitest';
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

  it('tells a person at a terminal what to do with it', async () => {
    await using site = await fakeSite();

    const { stdout, stderr } = await site.run(['device', 'enroll-token', 'child01'], { isTerminal: true });

    expect(stdout).toBe(`${tokenFor('child01', site.authority)}\n`);
    expect(stderr).toContain(
      `sallyport cert download --device-id child01 --one-time-password TOKEN --url https://localhost:${site.ports.pki}`,
    );
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
