import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { TestCa } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { type FakeSite, fakeSite } from '../fixtures/fake-site.fixture.js';
import { levelsOf } from '../fixtures/level-switch.fixture.js';
import { mutualSite } from '../fixtures/mutual-site.fixture.js';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';

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
