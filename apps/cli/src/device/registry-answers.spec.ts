import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Problem } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { description } from '../fixtures/device-answers.fixture.js';
import { fakeSite } from '../fixtures/fake-site.fixture.js';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';

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

    // The entrance admitted us. The service behind it in this test answers 404.
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

  it.each([
    { given: 'in one option, separated by commas', words: (urls: string[]) => ['--admin-url', urls.join(',')] },
    { given: 'in an option each', words: (urls: string[]) => urls.flatMap((url) => ['--admin-url', url]) },
  ])('is reached at the address that is given for its service $given', async ({ words }) => {
    await using site = await fakeSite();
    await site.run(['secure', 'mutual']);
    const signerUrl = `pki-signer=https://localhost:${site.ports.registry}`;

    const { stderr } = await site.run(['ca', 'show', ...words([signerUrl, 'https://localhost:1'])]);

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
