import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Problem } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { fakeSite } from '../fixtures/fake-site.fixture.js';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';
import { tokenFor } from '../fixtures/token.fixture.js';

const at = '2026-05-01T12:00:00.000Z';
const fingerprint = 'ab'.repeat(32);
const fleet = `ca:${'cd'.repeat(32)}`;
const summary = {
  deviceId: 'child01',
  kind: 'device',
  state: 'active',
  authority: 'site',
  registeredAt: at,
  stateChangedAt: at,
};
const description = {
  ...summary,
  state: 'revoked',
  certificates: [
    {
      fingerprint,
      serialNumber: '0102',
      issuerFingerprint: fingerprint,
      notBefore: at,
      notAfter: '2026-07-30T12:00:00.000Z',
      recordedAt: at,
      source: 'issued',
      revocation: { revokedAt: at, reason: 'device revoked' },
    },
  ],
  states: [{ state: 'revoked', at, actor: 'local-admin', reason: 'stolen' }],
  refusals: [{ at, reason: 'device-revoked', entrance: 'http', remoteAddress: '192.0.2.9', fingerprint }],
};

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

describe('a service that does not answer', () => {
  it('is named, with what to do', async () => {
    await using site = await fakeSite();
    await site.admin['device-registry'].close();

    const { exitCode, stderr } = await site.run(['device', 'list']);

    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      `Error: The service device-registry does not run: nothing listens at ${site.directory}/run/sallyport/device-registry.sock.\nStart the services (npm start), or name the configuration directory they use (--config-dir).\n`,
    );
  });

  it('as agreed is told apart from one that is down', async () => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set('GET /v1/devices', () => ({ surprise: true }));

    const { exitCode, stderr } = await site.run(['device', 'list']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('different versions');
  });

  it('reports its fault as JSON when asked for JSON', async () => {
    await using site = await fakeSite();

    const { stderr } = await site.run(['device', 'show', 'nobody', '--json']);

    expect(JSON.parse(stderr)).toMatchObject({ error: { type: 'not-found' } });
  });
});

describe('the admin API on the network', () => {
  it('is used with the administrator certificate that "secure mutual" left', async () => {
    await using site = await fakeSite();
    await site.run(['secure', 'mutual']);

    const { exitCode, stderr } = await site.run([
      'device',
      'list',
      '--admin-url',
      `https://localhost:${site.ports.registry}`,
    ]);

    // The door let us in; what stands behind it in this test answers 404.
    expect(exitCode).toBe(1);
    expect(stderr).toContain('The service device-registry answered with status 404.');
  });

  it('is not believed with a certificate of another CA', async () => {
    await using site = await fakeSite();
    await site.run(['secure', 'mutual']);
    const ca = join(site.directory, 'other-ca.pem');
    await writeFile(ca, new TestAuthority('Other').rootPem);
    const url = `https://localhost:${site.ports.registry}`;

    const { exitCode, stderr } = await site.run(['device', 'list', '--admin-url', url, '--admin-ca', ca]);

    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/did not answer: .*certificate/);
  });

  it('is reached at an IPv6 address', async () => {
    await using site = await fakeSite();
    await site.run(['secure', 'mutual']);

    const { stderr } = await site.run(['device', 'list', '--admin-url', `https://[::1]:${site.ports.registry}`]);

    // Nothing listens at that address, which is known without asking a name server for it.
    expect(stderr).toContain('nothing listens at https://[::1]:');
  });

  it('is not offered by the signer', async () => {
    await using site = await fakeSite();

    const { stderr } = await site.run(['ca', 'show', '--admin-url', 'https://localhost:8002']);

    expect(stderr).toContain('The admin API of pki-signer is not offered on the network.');
  });

  it('is reached at the address that is given for its service', async () => {
    await using site = await fakeSite();
    await site.run(['secure', 'mutual']);
    const urls = `https://localhost:1,pki-signer=https://localhost:${site.ports.registry}`;

    const { stderr } = await site.run(['ca', 'show', '--admin-url', urls]);

    // The entrance let us in; what stands behind it in this test answers 404.
    expect(stderr).toContain('The service pki-signer answered with status 404.');
  });

  it.each([
    ['agent=https://localhost:8002', '"agent" offers no admin API on the network.'],
    ['pki-signer=http://localhost:8002', '"http://localhost:8002" is no address of an admin API.'],
    ['https://localhost:8002,', '"" is no address of an admin API.'],
  ])('is not looked for at %s', async (url, fault) => {
    await using site = await fakeSite();
    expect((await site.run(['ca', 'show', '--admin-url', url])).stderr).toContain(fault);
  });

  it('needs a certificate', async () => {
    await using site = await fakeSite();

    const { stderr } = await site.run(['device', 'list', '--admin-url', 'https://localhost:8002']);

    expect(stderr).toContain(`There is no file ${site.directory}/admin-certs/certificate.pem.`);
  });
});

describe('what the registry answers', () => {
  it('cannot steer the terminal it is printed on', async () => {
    await using site = await fakeSite();
    const [refusal = {}] = description.refusals;
    site.admin['device-registry'].routes.set('GET /v1/devices/:id', () => ({
      ...description,
      refusals: [{ ...refusal, remoteAddress: '192.0.2.9\u001b[2J\u009b31m' }],
    }));
    site.admin['device-registry'].routes.set('POST /v1/devices/:id/lock', () => {
      throw new Problem('conflict', 'No.\u001b]0;owned\u0007 Try again.\nError: forged');
    });

    const shown = await site.run(['device', 'show', 'child01']);
    const refused = await site.run(['device', 'lock', 'child01']);

    expect(shown.stdout).toContain('from 192.0.2.9 [2J 31m: device-revoked.');
    expect(shown.stdout + refused.stderr).not.toMatch(/[^\P{Cc}\n]/u);
  });

  it('stays in its line of a table', async () => {
    await using site = await fakeSite();
    const [state = {}] = description.states;
    site.admin['device-registry'].routes.set('GET /v1/devices/:id', () => ({
      ...description,
      states: [{ ...state, actor: 'admin\nCertificates:\u202e forged' }],
    }));

    const { stdout } = await site.run(['device', 'show', 'child01']);

    expect(stdout).toContain('admin Certificates:  forged');
  });

  it('is not asked for without end when its pages lead in a circle', async () => {
    await using site = await fakeSite();
    let asked = 0;
    site.admin['device-registry'].routes.set('GET /v1/devices', () => {
      asked += 1;
      return { devices: [], ...(asked > 50 ? {} : { cursor: 'same' }) };
    });

    const { exitCode, stderr } = await site.run(['device', 'list']);

    expect({ exitCode, asked }).toEqual({ exitCode: 1, asked: 2 });
    expect(stderr).toContain('The list does not come to an end.');
  });

  it('is not read without end', async () => {
    await using site = await fakeSite();
    const endless = 'x'.repeat(17 * 1024 * 1024);
    site.admin['device-registry'].routes.set('GET /v1/devices/:id', () => endless);

    const { exitCode, stderr } = await site.run(['device', 'show', 'child01']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('the answer is larger than 16777216 bytes');
  });

  it.each(['constructor', 'toString', '__proto__'])('is not believed about a problem called %s', async (name) => {
    await using site = await fakeSite();
    const { routes } = site.admin['device-registry'];
    routes.set('POST /v1/devices/:id/lock', () => {
      throw Object.assign(new Problem('conflict', 'Something.'), {
        toJSON: () => ({ type: `urn:sallyport:problem:${name}`, detail: 'Something.' }),
      });
    });

    const { exitCode, stderr } = await site.run(['device', 'lock', 'child01']);

    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: 'Error: The service device-registry answered with status 409.\nLook into its log.\n',
    });
  });
});

describe('what is asked of the registry', () => {
  it.each([
    ['device lock', ['device', 'lock', 'child01', '--reason', 'x'.repeat(5_000)]],
    ['ca rotate', ['ca', 'rotate', '--overlap', '900y']],
    ['device enroll-token', ['device', 'enroll-token', 'child01', '--validity', '900y']],
    ['device enroll-token', ['device', 'enroll-token', 'child01', '--validity', '0s']],
  ])('is explained when %s cannot ask it', async (_, words) => {
    await using site = await fakeSite();

    const { exitCode, stderr } = await site.run(words);

    expect(exitCode).toBeGreaterThan(0);
    expect(stderr).not.toContain('Unexpected failure');
    expect(stderr.split('\n').length).toBeLessThan(4);
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

    expect(stderr).toContain(`cert download --device-id 'a'\\''b(c)*' --one-time-password TOKEN`);
  });
});
