import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { certificateProfiles } from '@sallyport/x509';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type FakeSite, fakeSite } from '../../fixtures/fake-site.fixture.js';
import { examine, mend } from '../../fixtures/mend.fixture.js';
import { type IssueOptions, TestAuthority } from '../../fixtures/test-authority.fixture.js';

const uuid = '3f4a9c1e-5b7d-4e2a-8c6f-0d1e2f3a4b5c';

/** A site whose CoAP gateway shows a certificate of the operator. */
async function siteShowing(options: Partial<IssueOptions>): Promise<FakeSite> {
  const site = await fakeSite();
  onTestFinished(() => site[Symbol.asyncDispose]());
  const { certPem, keyPem } = new TestAuthority('Public').issue({
    commonName: `uuid:${uuid}`,
    kind: 'service',
    profile: certificateProfiles.ocfHub,
    hosts: [{ type: 'dns', value: 'coap.example' }],
    notBefore: new Date('2026-05-01'),
    notAfter: new Date('2027-06-01'),
    ...options,
  });
  await writeFile(join(site.directory, 'shown.pem'), certPem);
  await writeFile(join(site.directory, 'shown.key'), keyPem, { mode: 0o600 });
  await site.run(['config', 'set', 'coap.tls.cert_path', join(site.directory, 'shown.pem')]);
  await site.run(['config', 'set', 'coap.tls.key_path', join(site.directory, 'shown.key')]);
  return site;
}

async function foundOf(site: FakeSite) {
  const { findings } = await examine(site.run, { now: () => new Date('2026-06-01T00:00:00Z') });
  return findings.filter(({ id }) => id === 'coap-certificate');
}

describe('doctor, about a certificate that the operator gave the CoAP gateway', () => {
  it('finds nothing while devices of OCF accept it', async () => {
    const site = await siteShowing({});
    await site.run(['config', 'set', 'coap.hub_id', uuid]);
    expect(await foundOf(site)).toEqual([]);
  });

  it.each([
    ['has another name', { commonName: 'coap.example' }, /has the name "coap.example", and devices of OCF want uuid:/],
    [
      'is no OCF identity',
      { profile: certificateProfiles.server },
      /has not all purposes .*1\.3\.6\.1\.4\.1\.44924\.1\.6/,
    ],
    ['has expired', { notAfter: new Date('2026-05-31') }, /expired 2026-05-31/],
  ])('says so when it %s, and goes back to one of this site', async (_, options, what) => {
    const site = await siteShowing(options);

    const [finding] = await foundOf(site);
    await mend(site.run, finding?.fix ?? '');

    expect(finding?.what).toMatch(what);
    expect(await foundOf(site)).toEqual([]);
  });

  it('says so when it is for another cloud than the settings', async () => {
    const site = await siteShowing({});
    await site.run(['config', 'set', 'coap.hub_id', '00000000-0000-4000-8000-000000000000']);
    expect(await foundOf(site)).toMatchObject([{ what: expect.stringMatching(/and coap\.hub_id is 00000000-/) }]);
  });
});
