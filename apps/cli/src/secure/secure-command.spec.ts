import { watch } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { EntranceLevels } from '@sallyport/config';
import { freePorts, waitFor } from '@sallyport/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type FakeSite, fakeSite } from '../fixtures/fake-site.fixture.js';
import { failNextReload, levelsOf } from '../fixtures/level-switch.fixture.js';
import { SiteEntrance } from '../fixtures/site-entrance.fixture.js';

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

  it('puts them there too when the only MQTT listener is the second one', async () => {
    await using site = await fakeSite();
    const [port = 0] = await freePorts(1);
    const settings = { 'mqtt.bind.enabled': 'false', 'mqtt.external.bind.address': '127.0.0.1' };
    for (const [key, value] of Object.entries({ ...settings, 'mqtt.external.bind.port': String(port) }))
      await site.run(['config', 'set', key, value]);
    const { directory: configDir, authority, admin } = site;
    const external = await SiteEntrance.open({ group: 'mqtt.external', configDir, authority });
    onTestFinished(() => external.close());
    for (const [name, route] of Object.entries(external.routes)) admin['mqtt-broker'].routes.set(name, route);

    expect((await site.run(['secure', 'mutual'])).exitCode).toBe(0);

    const { stdout } = await site.run(['config', 'get', 'mqtt.client.auth.cert_file']);
    expect(stdout.trim()).toBe(join(site.directory, 'client-certs', 'certificate.pem'));
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
