import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { otherKey, set } from '../fixtures/broken-site.fixture.js';
import { examine, mend } from '../fixtures/mend.fixture.js';
import { mutualSite } from '../fixtures/mutual-site.fixture.js';

describe('doctor, where one thing is wrong', () => {
  it('finds nothing else, though a certificate that everybody may read stands where a key belongs', async () => {
    await using site = await mutualSite();
    await chmod(site.agent.cert, 0o444);
    await set(site, 'http.cert_path', site.agent.key);
    await set(site, 'http.key_path', site.agent.cert);

    const { findings } = await examine(site.run);

    expect(findings.map(({ id }) => id)).toEqual(['listener-files']);
  });
});

describe("doctor, where the operator's own files are wrong", () => {
  it.each([
    ['an encrypted key', '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n'],
    ['a key nobody can read', 'garbage'],
  ])('gives a command that leaves %s where it is', async (_case, content) => {
    await using site = await mutualSite();
    const path = join(site.directory, 'server.key');
    await writeFile(path, content, { mode: 0o600 });
    await set(site, 'http.key_path', path);

    const { findings } = await examine(site.run);
    await mend(site.run, findings[0]?.fix ?? '');

    expect(await examine(site.run)).toEqual({ healthy: true, findings: [] });
    expect(await readFile(path, 'utf8')).toBe(content);
  });

  it('gives a command that moves a key out of the folder of CAs and keeps it', async () => {
    await using site = await mutualSite();
    const folder = join(site.directory, 'cas');
    const content = otherKey();
    await mkdir(folder);
    await symlink(site.agent.ca, join(folder, 'site.pem'));
    await writeFile(join(folder, 'server.key'), content);
    await set(site, 'http.ca_path', folder);

    const { findings } = await examine(site.run);
    await mend(site.run, findings[0]?.fix ?? '');

    expect(await readFile(join(site.directory, 'server.key'), 'utf8')).toBe(content);
  });
});
