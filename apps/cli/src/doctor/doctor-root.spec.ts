import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ago, ahead, set } from '../fixtures/broken-site.fixture.js';
import { authorityDescription } from '../fixtures/fake-site.fixture.js';
import { examine, mend } from '../fixtures/mend.fixture.js';
import { mutualSite } from '../fixtures/mutual-site.fixture.js';
import { pemOf, TestAuthority } from '../fixtures/test-authority.fixture.js';

describe('doctor, about the root of the site', () => {
  it('asks for another root when that is due, not for a CA that would end with the old one, and only once', async () => {
    const authority = new TestAuthority('Short', { notBefore: ago(300), notAfter: ahead(80) });
    await using site = await mutualSite(authority);
    const root = { ...authorityDescription('root-1', 'root', authority.root), hasKey: true, root: 'root-1' };
    const device = { ...authorityDescription('device-1', 'device', authority.issuing), root: 'root-1' };
    const answer = { trustBundleVersion: 1, caFingerprint: authority.root.fingerprint };
    const toldAbout = async (...authorities: object[]) => {
      site.admin['pki-signer'].routes.set('GET /v1/ca', () => ({ ...answer, authorities }));
      const { findings } = await examine(site.run);
      const dated = findings.filter(({ what }) => what.includes(' ends '));
      return dated.map(({ what, fix }) => [what.slice(0, what.indexOf(' ends ')), fix.slice(fix.indexOf('ca rotate'))]);
    };

    expect(await toldAbout(root, device)).toEqual([['The root root-1', 'ca rotate --purpose root']]);
    const published = { state: 'published' };
    const next = [
      { ...root, ...published, id: 'root-2' },
      { ...device, ...published, id: 'device-2' },
    ];
    expect(await toldAbout(root, device, ...next)).toEqual([]);
  });

  it.each(['folder', 'file'])(
    'gives a command that adds the new root to a %s of the operator, and keeps what is there',
    async (kind) => {
      await using site = await mutualSite();
      const { root } = new TestAuthority('Next');
      const path = join(site.directory, 'cas');
      const file = kind === 'file' ? path : join(path, 'mine.pem');
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, site.authority.rootPem);
      await set(site, 'http.ca_path', path);
      const { routes } = site.admin['pki-signer'];
      const bundle = { version: 2, issuing: [pemOf(site.authority.issuing)], retiring: [] };
      routes.set('GET /v1/trust-bundle', () => ({ ...bundle, roots: [site.authority.rootPem, pemOf(root)] }));
      routes.set('GET /v1/ca', () => ({
        trustBundleVersion: 2,
        caFingerprint: root.fingerprint,
        authorities: [authorityDescription('root-2', 'root', root)],
      }));
      routes.set('POST /v1/ca/export', () => ({ certificates: pemOf(root) }));

      const { findings } = await examine(site.run);
      const mine = findings.filter(({ what }) => what.startsWith('http.ca_path'));
      expect(mine).toMatchObject([
        { id: 'trusted-cas', severity: 'warning', what: expect.stringContaining('Next root') },
      ]);
      await mend(site.run, mine[0]?.fix ?? '');

      expect(await readFile(file, 'utf8')).toContain(site.authority.rootPem);
      const { findings: left } = await examine(site.run);
      expect(left.filter(({ what }) => what.startsWith('http.ca_path'))).toEqual([]);
    },
  );
});
