import { once } from 'node:events';
import { watch } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import { EntranceLevels } from '@sallyport/config';
import { type DeviceState, Problem } from '@sallyport/protocol';
import { TestCa, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { type FakeSite, fakeSite } from '../fixtures/fake-site.fixture.js';
import { mutualSite } from '../fixtures/mutual-site.fixture.js';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';

const levelsOf = ({ entrances }: FakeSite) =>
  Object.values(entrances).map((door) => {
    const { isOpen, level } = door.describe();
    return isOpen ? level : 'closed';
  });

describe('secure mutual', () => {
  it('issues every certificate, switches every listener and proves it from outside', async () => {
    await using site = await fakeSite();

    const { exitCode, stdout, stderr } = await site.run(['secure', 'mutual']);

    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(levelsOf(site)).toEqual(['mutual', 'mutual', 'mutual']);
    expect(stdout.split('\n')).toEqual([
      'ok     find the listeners',
      'ok     get the CA of the site',
      'ok     certificate of agent: issued',
      'ok     certificate of device-registry: issued',
      'ok     certificate of mqtt-broker: issued',
      'ok     certificate of local-client: issued',
      'ok     certificate of operator: issued',
      'ok     write the settings: 14 changed',
      'ok     reload agent',
      'ok     prove agent: lets a certificate of this site in and nobody else; redirects plain HTTP',
      'ok     reload device-registry',
      'ok     prove device-registry: lets a certificate of this site in and nobody else; redirects plain HTTP',
      'ok     reload mqtt-broker',
      'ok     prove mqtt-broker: lets a certificate of this site in and nobody else; refuses clients without TLS',
      '',
    ]);
  });

  it('asks for every name and address clients may use, and for one certificate a service', async () => {
    await using site = await fakeSite();

    await site.run(['secure', 'mutual'], { env: { TEDGE_PKI_HOSTNAMES: 'gateway.example,192.0.2.7' } });

    const [enrollment] = site.admin['pki-signer'].seen.filter(({ route }) => route === 'POST /v1/enrollments');
    expect(enrollment?.body).toMatchObject({
      deviceId: 'agent',
      profile: 'service',
      subjectAltNames: expect.arrayContaining([
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
        { type: 'dns', value: 'gateway.example' },
        { type: 'ip', value: '192.0.2.7' },
      ]),
    });
  });

  it('keeps what is good when it runs again', async () => {
    await using site = await fakeSite();
    await site.run(['secure', 'mutual']);
    const settings = await site.settings();

    const { exitCode, stdout } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(0);
    expect(stdout.match(/: kept$/gm)).toHaveLength(5);
    expect(stdout).toContain('write the settings: nothing to change');
    expect(await site.settings()).toBe(settings);
  });

  it('replaces certificates that come to their end', async () => {
    await using site = await fakeSite();
    await site.run(['secure', 'mutual']);
    const later = new Date(Date.now() + 70 * 86_400_000);

    const { stdout } = await site.run(['secure', 'mutual'], { now: () => later });

    expect(stdout.match(/: issued$/gm)).toHaveLength(5);
  });

  it('puts what clients of this machine need into the settings', async () => {
    await using site = await fakeSite();

    await site.run(['secure', 'mutual']);

    const { stdout } = await site.run(['config', 'list', 'client.auth']);
    const folder = join(site.directory, 'client-certs');
    expect(stdout.trim().split('\n').sort()).toEqual([
      `http.client.auth.cert_file=${folder}/certificate.pem`,
      `http.client.auth.key_file=${folder}/private-key.pem`,
      `mqtt.client.auth.ca_file=${folder}/ca.pem`,
      `mqtt.client.auth.cert_file=${folder}/certificate.pem`,
      `mqtt.client.auth.key_file=${folder}/private-key.pem`,
    ]);
    expect((await readdir(folder)).sort()).toEqual(['ca.pem', 'certificate.pem', 'private-key.pem']);
  });

  it('writes all settings at once, so that no service ever starts with half of them', async () => {
    await using site = await fakeSite();
    const changes: string[] = [];
    const watcher = watch(site.directory, (event, name) => changes.push(`${event} ${name}`));

    await site.run(['secure', 'mutual']);
    await site.run(['config', 'set', 'device.type', 'last']);
    const writes = () => changes.filter((change) => change === 'rename tedge.toml');
    await waitFor(() => writes().length >= 2);
    watcher.close();

    expect(writes()).toHaveLength(2);
  });

  it('passes over a broker that is not part of the site', async () => {
    await using site = await fakeSite();
    await site.admin['mqtt-broker'].close();

    const { exitCode, stdout } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(0);
    expect(stdout).toContain('-      find mqtt-broker: not part of this site');
    expect(await site.settings()).not.toContain('mqtt.client');
  });

  it('prints its steps as JSON for programs', async () => {
    await using site = await fakeSite();

    const { stdout } = await site.run(['secure', 'mutual', '--json']);

    expect(JSON.parse(stdout)).toMatchObject({
      level: 'mutual',
      steps: expect.arrayContaining([{ step: 'certificate of agent', outcome: 'done', detail: 'issued' }]),
    });
  });
});

describe('secure server and secure plain', () => {
  it('take the site down again, level by level, and leave no setting behind', async () => {
    await using site = await fakeSite();
    const before = await site.run(['config', 'list', '--all']);
    await site.run(['secure', 'mutual']);

    const server = await site.run(['secure', 'server']);
    const atServer = levelsOf(site);
    const plain = await site.run(['secure', 'plain']);

    expect([server.exitCode, plain.exitCode]).toEqual([0, 0]);
    expect(server.stdout).toContain(
      'prove agent: answers over TLS to clients that trust this site; redirects plain HTTP',
    );
    expect(server.stdout).toContain('prove device-registry: closed until level mutual');
    expect(atServer).toEqual(['server', 'closed', 'server']);
    expect(levelsOf(site)).toEqual(['plain', 'closed', 'plain']);
    expect(await site.run(['config', 'list', '--all'])).toEqual(before);
  });

  it('plain needs no signer', async () => {
    await using site = await fakeSite();
    expect(await site.run(['secure', 'mutual'])).toMatchObject({ exitCode: 0, stderr: '' });
    await site.admin['pki-signer'].close();

    expect(await site.run(['secure', 'plain'])).toMatchObject({ exitCode: 0, stderr: '' });
    expect(levelsOf(site)).toEqual(['plain', 'closed', 'plain']);
  });
});

describe('a certificate of the operator', () => {
  it('stays, and the CAs of this site are added for its clients', async () => {
    await using site = await fakeSite();
    await using ca = await TestCa.create();
    const own = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:gateway.example'] });
    await site.run(['config', 'set', 'http.cert_path', own.certPath]);
    await site.run(['config', 'set', 'http.key_path', own.keyPath]);

    const { exitCode, stdout } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(0);
    expect(stdout).toContain('certificate of agent: kept, not of this site');
    expect((await site.run(['config', 'get', 'http.cert_path'])).stdout.trim()).toBe(own.certPath);
    expect((await site.run(['config', 'get', 'http.ca_path'])).stdout).toMatch(/service-certs\/agent\/client-ca\n$/);
  });

  it('is replaced when it has expired', async () => {
    await using site = await fakeSite();
    await using ca = await TestCa.create({ notBefore: new Date('2020-01-01') });
    const own = await ca.issue({
      commonName: 'localhost',
      notBefore: new Date('2024-01-01'),
      notAfter: new Date('2025-01-01'),
    });
    await site.run(['config', 'set', 'http.cert_path', own.certPath]);
    await site.run(['config', 'set', 'http.key_path', own.keyPath]);

    expect((await site.run(['secure', 'mutual'])).stdout).toContain('certificate of agent: issued');
  });

  it('with CAs that leave this site out is refused before anything changes, with the command that adds it', async () => {
    await using site = await fakeSite();
    const directory = join(site.directory, 'my-cas');
    await mkdir(directory);
    await writeFile(join(directory, 'other.pem'), new TestAuthority('Other').rootPem);
    await site.run(['config', 'set', 'http.ca_path', directory]);
    const before = await site.settings();

    const { exitCode, stderr } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain(`sallyport ca export --output ${directory}/sallyport-ca.pem`);
    expect(await site.settings()).toBe(before);
    expect(levelsOf(site)).toEqual(['plain', 'closed', 'plain']);
  });
});

/** Lets the next reload of a service fail; those after it work. */
function failNextReload({ admin }: FakeSite, service: 'agent' | 'device-registry' | 'mqtt-broker'): void {
  const { routes } = admin[service];
  const reload = routes.get('POST /v1/entrance/reload');
  routes.set('POST /v1/entrance/reload', () => {
    if (reload !== undefined) routes.set('POST /v1/entrance/reload', reload);
    throw new Problem('config-invalid', 'The key does not pair. Check it.');
  });
}

describe('a switch that fails', () => {
  const failures: readonly (readonly [what: string, breakIt: (site: FakeSite) => void, step: string])[] = [
    ['a service cannot reload', (site) => failNextReload(site, 'device-registry'), 'reload device-registry'],
    [
      'a certificate cannot be issued',
      ({ admin }) =>
        admin['mqtt-broker'].routes.set('POST /v1/entrance/enrol', () => {
          throw new Problem('unavailable', 'The signer is busy. Try again later.');
        }),
      'certificate of mqtt-broker',
    ],
  ];

  it.each(failures)('because %s says which step, and takes everything back', async (_, breakIt, step) => {
    await using site = await fakeSite();
    const before = await site.run(['config', 'list', '--all']);
    breakIt(site);

    const { exitCode, stdout, stderr } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stderr).toMatch(new RegExp(`^Error: "${step}" failed: `));
    expect(stdout).toContain(`FAILED ${step}`);
    expect(await site.run(['config', 'list', '--all'])).toEqual(before);
    expect(levelsOf(site)).toEqual(['plain', 'closed', 'plain']);
  });

  it('goes back to the level it came from, not to plain', async () => {
    await using site = await fakeSite();
    await site.run(['secure', 'server']);
    const before = await site.run(['config', 'list', '--all']);
    failNextReload(site, 'mqtt-broker');

    const { exitCode, stdout } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stdout).toContain('undo   reload agent: level server again');
    expect(stdout).toContain('undo   reload device-registry: closed again');
    expect(await site.run(['config', 'list', '--all'])).toEqual(before);
    expect(levelsOf(site)).toEqual(['server', 'closed', 'server']);
  });

  it('because a client is not let in gives the reason the registry recorded, and the command that lifts it', async () => {
    await using site = await fakeSite();
    refuseLocalClient(site, { state: 'locked', agoMs: 0 });

    const { exitCode, stderr } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      'Error: "prove agent" failed: local-client was refused (device-locked). The device is locked.\nsallyport device unlock local-client\n',
    );
    expect(levelsOf(site)).toEqual(['plain', 'closed', 'plain']);
  });

  it('does not blame a refusal of hours ago', async () => {
    await using site = await fakeSite();
    refuseLocalClient(site, { state: 'active', agoMs: 7_200_000 });

    const { exitCode, stderr } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('"prove agent" failed: a client that connected to');
    expect(stderr).not.toContain('locked');
  });

  it('because a door stays closed does not pass for a success', async () => {
    await using site = await fakeSite();
    const { entrances, admin } = site;
    admin['device-registry'].routes.set('POST /v1/entrance/reload', () => ({
      entrances: [entrances.registry.describe()],
    }));

    const { exitCode, stderr } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('"reload device-registry" failed: The listener of device-registry is closed');
    expect(levelsOf(site)).toEqual(['plain', 'closed', 'plain']);
  });

  it('takes every other listener back when one cannot be taken back', async () => {
    await using site = await fakeSite();
    const { entrances, admin } = site;
    failNextReload(site, 'mqtt-broker');
    admin.agent.routes.set('POST /v1/entrance/reload', async () => {
      if (entrances.http.describe().level === 'mutual') throw new Problem('internal', 'The disk is gone.');
      await entrances.http.apply();
      return { entrances: [entrances.http.describe()] };
    });

    const { exitCode, stdout, stderr } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('Taking it back failed too: The disk is gone.');
    expect(stdout).toContain('FAILED take back agent: The disk is gone.');
    expect(levelsOf(site)).toEqual(['mutual', 'closed', 'plain']);
  });

  it('says so when taking it back fails too', async () => {
    await using site = await fakeSite();
    site.admin.agent.routes.set('POST /v1/entrance/reload', () => {
      throw new Problem('internal', 'The disk is gone.');
    });

    const { exitCode, stderr } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('Taking it back failed too: The disk is gone.');
  });

  it.each(['certificate of local-client', 'write the settings', 'prove agent', 'prove device-registry'])(
    'because of Ctrl-C after "%s" is taken back',
    async (step) => {
      await using site = await fakeSite();
      const before = await site.run(['config', 'list', '--all']);
      const abort = new AbortController();
      const onOutput = (text: string) => {
        if (text.includes(step)) abort.abort();
      };

      const { exitCode, stderr } = await site.run(['secure', 'mutual'], { signal: abort.signal, onOutput });

      expect({ exitCode, stderr }).toEqual({
        exitCode: 130,
        stderr: 'Error: Interrupted.\nRun the command again to go on.\n',
      });
      expect(await site.run(['config', 'list', '--all'])).toEqual(before);
      expect(levelsOf(site)).toEqual(['plain', 'closed', 'plain']);
    },
  );
});

describe('a switch that was killed after it wrote the settings', () => {
  async function killedSite() {
    const site = await fakeSite();
    await site.run(['secure', 'mutual']);
    const files = ['tedge.toml', 'sallyport.toml'].map((name) => join(site.directory, name));
    const settings = await Promise.all(files.map((file) => readFile(file, 'utf8')));
    await site.run(['secure', 'plain']);
    await Promise.all(files.map((file, index) => writeFile(file, settings[index] ?? '')));
    return site;
  }

  it('is finished by running it again', async () => {
    await using site = await killedSite();

    const { exitCode, stdout } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(0);
    expect(stdout).toContain('write the settings: nothing to change');
    expect(levelsOf(site)).toEqual(['mutual', 'mutual', 'mutual']);
  });

  it('is undone by the level it came from', async () => {
    await using site = await killedSite();

    expect((await site.run(['secure', 'plain'])).exitCode).toBe(0);
    expect(levelsOf(site)).toEqual(['plain', 'closed', 'plain']);
    expect(await site.settings()).not.toContain('cert_path');
  });
});

describe('what clients of this machine show by the will of the operator', () => {
  it('stays at every level', async () => {
    await using site = await fakeSite();
    await site.run(['config', 'set', 'mqtt.client.auth.cert_file', '/own/cert.pem']);
    await site.run(['config', 'set', 'mqtt.client.auth.key_file', '/own/key.pem']);

    await site.run(['secure', 'mutual']);
    const atMutual = await site.run(['config', 'get', 'mqtt.client.auth.cert_file']);
    await site.run(['secure', 'plain']);
    const atPlain = await site.run(['config', 'get', 'mqtt.client.auth.cert_file']);

    expect([atMutual.stdout, atPlain.stdout]).toEqual(['/own/cert.pem\n', '/own/cert.pem\n']);
  });
});

describe('a certificate that is not valid yet', () => {
  it('of a listener is replaced, as after a clock that was ahead', async () => {
    await using site = await mutualSite();
    const [notBefore, notAfter] = [1, 60].map((days) => new Date(Date.now() + days * 86_400_000));
    if (notBefore !== undefined && notAfter !== undefined) await site.replaceAgent({ notBefore, notAfter });

    const { exitCode, stdout } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(0);
    expect(stdout).toContain('certificate of agent: issued');
  });

  it('of a client of this machine is replaced too', async () => {
    await using site = await fakeSite();
    await site.run(['secure', 'mutual']);
    const earlier = new Date(Date.now() - 7 * 86_400_000);

    const { stdout } = await site.run(['secure', 'mutual'], { now: () => earlier });

    expect(stdout).toContain('certificate of local-client: issued');
    expect(stdout).toContain('certificate of operator: issued');
  });
});

describe('a signer that issues something else than was asked for', () => {
  const others: readonly (readonly [what: string, answer: (site: FakeSite) => { certPem: string }])[] = [
    ['another key', ({ authority }) => authority.issue({ commonName: 'local-client', kind: 'service' })],
    ['another CA', () => new TestAuthority('Other').issue({ commonName: 'local-client', kind: 'service' })],
  ];

  it.each(others)('is not believed: %s', async (_, answer) => {
    await using site = await fakeSite();
    const { certPem } = answer(site);
    site.admin['pki-signer'].routes.set('POST /v1/certificates', () => ({
      fingerprint: '0'.repeat(64),
      notAfter: '2030-01-01T00:00:00.000Z',
      chain: certPem,
    }));

    const { exitCode, stderr } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('The signer issued something else than was asked for local-client.');
    expect(levelsOf(site)).toEqual(['plain', 'closed', 'plain']);
  });
});

describe('the CAs of clients', () => {
  const caPaths = async (site: FakeSite) => {
    const keys = ['http.ca_path', 'registry.ca_path', 'mqtt.bind.ca_path'];
    return Promise.all(keys.map(async (key) => (await site.run(['config', 'get', key])).stdout.trim()));
  };

  it('are a directory for every listener, which thin-edge.io can read too', async () => {
    await using site = await fakeSite();
    await site.run(['secure', 'mutual']);
    for (const path of await caPaths(site)) expect(await readdir(path)).toEqual(['site.pem']);
  });

  it('stay in the file of an earlier release while the service keeps no directory', async () => {
    await using site = await mutualSite();
    const before = await caPaths(site);
    expect((await site.run(['secure', 'mutual'])).exitCode).toBe(0);
    expect(await caPaths(site)).toEqual(before);
    expect(before[0]).toMatch(/client-ca\.pem$/);
  });

  it('move from that file to the directory once the service keeps one, and no certificate is issued', async () => {
    await using site = await mutualSite();
    for (const path of await caPaths(site)) {
      await mkdir(path.replace('.pem', ''));
      await copyFile(path, join(path.replace('.pem', ''), 'site.pem'));
    }
    const { exitCode, stdout } = await site.run(['secure', 'mutual']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('certificate of agent: kept');
    expect((await caPaths(site)).map((path) => basename(path))).toEqual(['client-ca', 'client-ca', 'client-ca']);
  });
});

describe('secure plain while a service does not run', () => {
  const noteOf = async ({ directory }: FakeSite) =>
    new EntranceLevels({ directory, stateDirectory: directory, dataDirectory: join(directory, 'data') }, 'http');

  it('switches the others, and lets it start at level plain later', async () => {
    await using site = await fakeSite();
    await site.run(['secure', 'mutual']);
    const note = await noteOf(site);
    await note.write({ level: 'mutual', inForceAt: '2026-01-02T03:04:05.000Z' });
    await site.admin.agent.close();

    const { exitCode, stdout } = await site.run(['secure', 'plain']);

    expect(exitCode).toBe(0);
    expect(stdout).toContain('find agent: does not run; it has the level from its next start on');
    expect((await note.read())?.level).toBe('plain');
    expect(levelsOf(site).slice(1)).toEqual(['closed', 'plain']);
    expect(await site.settings()).not.toContain('http.cert_path');
  });

  it('holds it to its level again when the switch fails', async () => {
    await using site = await fakeSite();
    await site.run(['secure', 'mutual']);
    const note = await noteOf(site);
    await note.write({ level: 'mutual', inForceAt: '2026-01-02T03:04:05.000Z' });
    await site.admin.agent.close();
    failNextReload(site, 'mqtt-broker');

    expect((await site.run(['secure', 'plain'])).exitCode).toBe(1);
    expect(await note.read()).toEqual({ level: 'mutual', inForceAt: '2026-01-02T03:04:05.000Z' });
  });
});

describe('a reload of a switch', () => {
  it('says how low a listener may go by it, and on the way back too', async () => {
    await using site = await fakeSite();
    await site.run(['secure', 'mutual']);
    const asked: unknown[] = [];
    const { routes } = site.admin.agent;
    const reload = routes.get('POST /v1/entrance/reload');
    routes.set('POST /v1/entrance/reload', (request) => {
      asked.push(request.body);
      return reload?.(request);
    });
    await site.run(['secure', 'server']);
    failNextReload(site, 'mqtt-broker');
    await site.run(['secure', 'mutual']);
    expect(asked).toEqual([{ lowerTo: 'server' }, { lowerTo: 'mutual' }, { lowerTo: 'server' }]);
  });
});

describe('two switches at the same time', () => {
  it('are one: the other is told to wait, and changes nothing', async () => {
    await using site = await fakeSite();

    const both = await Promise.all([site.run(['secure', 'mutual']), site.run(['secure', 'server'])]);

    const [winner, loser] = both.toSorted((a, b) => a.exitCode - b.exitCode);
    expect([winner?.exitCode, loser?.exitCode]).toEqual([0, 1]);
    expect(loser?.stderr).toContain('secure.lock');
    const isMutual = winner?.stdout.includes('prove agent: lets a certificate of this site in');
    expect(levelsOf(site)).toEqual(isMutual ? ['mutual', 'mutual', 'mutual'] : ['server', 'closed', 'server']);
  });
});

describe('a site that cannot be switched', () => {
  it('is left alone while a service does not run', async () => {
    await using site = await fakeSite();
    await site.admin.agent.close();
    const before = await site.settings();

    const { exitCode, stderr } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('The service agent does not run');
    expect(stderr).toContain('npm start');
    expect(await site.settings()).toBe(before);
  });

  it('is left alone while the environment beats what would be written', async () => {
    await using site = await fakeSite();

    const { exitCode, stderr } = await site.run(['secure', 'mutual'], {
      env: { TEDGE_HTTP_CA_PATH: '/etc/ssl/certs' },
    });

    expect(exitCode).toBe(1);
    expect(stderr).toContain('The environment sets http.ca_path');
  });

  it('is left alone by secure plain too while the environment beats what would be written', async () => {
    await using site = await fakeSite();
    await site.run(['secure', 'mutual']);
    const before = await site.settings();

    const { exitCode, stderr } = await site.run(['secure', 'plain'], { env: { TEDGE_HTTP_CA_PATH: '/etc/ssl/certs' } });

    expect(exitCode).toBe(1);
    expect(stderr).toContain('The environment sets http.ca_path');
    expect(await site.settings()).toBe(before);
    expect(levelsOf(site)).toEqual(['mutual', 'mutual', 'mutual']);
  });

  it('is left alone while something else listens where a door is closed', async () => {
    await using site = await fakeSite();
    const stranger = createServer((socket) => socket.end());
    stranger.listen(site.ports.registry, '127.0.0.1');
    await once(stranger, 'listening');

    const { exitCode, stderr } = await site.run(['secure', 'server']);
    stranger.close();

    expect(exitCode).toBe(1);
    expect(stderr).toContain('something answers although the door should be closed');
    expect(levelsOf(site)).toEqual(['plain', 'closed', 'plain']);
  });
});

/** Turns the local client away at the file transfer service, as the registry has recorded it so long ago. */
function refuseLocalClient(site: FakeSite, { state, agoMs }: { state: DeviceState; agoMs: number }): void {
  const at = new Date(Date.now() - agoMs).toISOString();
  site.entrances.http.refused.add('local-client');
  site.admin['device-registry'].routes.set('GET /v1/devices/:id', () => ({
    deviceId: 'local-client',
    kind: 'service',
    state,
    authority: 'site',
    registeredAt: at,
    stateChangedAt: at,
    certificates: [],
    states: [],
    refusals: [{ at, reason: 'device-locked', entrance: 'http', remoteAddress: '127.0.0.1' }],
  }));
}
