import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { adminSocketPath } from '@sallyport/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AdminServer } from '../../fixtures/admin-server.fixture.js';
import { connector, connectorDocument, fleetCa } from '../../fixtures/connector-answers.fixture.js';
import { type FakeSite, fakeSite } from '../../fixtures/fake-site.fixture.js';
import { examine, mend } from '../../fixtures/mend.fixture.js';
import { TestAuthority } from '../../fixtures/test-authority.fixture.js';

/** A site with a connector, which the registry describes so. */
async function siteWith(description: object, { domains = [] }: { domains?: string[] } = {}): Promise<FakeSite> {
  const site = await fakeSite();
  onTestFinished(() => site[Symbol.asyncDispose]());
  const service = await AdminServer.listen(adminSocketPath(`${site.directory}/run`, 'connector', '/'), {
    'GET /readyz': () => ({ ready: true, faults: {} }),
    'GET /v1/entrance': () => ({ entrances: [] }),
  });
  onTestFinished(() => service.close());
  const { name, version } = connectorDocument;
  const summary = { name, version, domains, self: true, pki: true, clientCas: 1 };
  const { routes } = site.admin['device-registry'];
  routes.set('GET /v1/connectors', () => ({ connectors: [summary] }));
  routes.set('GET /v1/connectors/default', () => ({ ...connector, ...description }));
  return site;
}

/** What the check of the connectors finds on a day. */
async function found(site: FakeSite, day = '2026-06-01') {
  const { findings } = await examine(site.run, { now: () => new Date(`${day}T00:00:00Z`) });
  return findings.filter(({ id }) => id === 'connectors');
}

const withPki = {
  ...connectorDocument,
  settings: { ...connectorDocument.settings, pki: { ...connectorDocument.settings.pki, enabled: true } },
};

describe('doctor, about connectors', () => {
  it('finds nothing while a Client CA admits its devices', async () => {
    expect(await found(await siteWith({ document: withPki }))).toEqual([]);
  });

  it.each([
    ['there is no Client CA', []],
    ['the only Client CA is disabled', [{ ...fleetCa, login: false }]],
  ])('warns when PKI is on and %s', async (_, clientCas) => {
    expect(await found(await siteWith({ document: { ...withPki, clientCas } }))).toMatchObject([
      {
        severity: 'warning',
        what: 'Connector "default" has PKI switched on and no Client CA whose devices may log in.',
        fix: expect.stringMatching(/ client-ca add FILE$/),
      },
    ]);
  });

  it.each([
    [
      '2026-12-15',
      'warning',
      'Client CA "Fleet" ends 2027-01-01T00:00:00.000Z. All its devices are refused from then on.',
    ],
    ['2027-01-02', 'error', 'Client CA "Fleet" ended 2027-01-01T00:00:00.000Z. Its devices are refused.'],
  ])('tells on %s, as %s, that a Client CA comes to its end', async (day, severity, what) => {
    expect(await found(await siteWith({ document: withPki }), day)).toMatchObject([{ severity, what }]);
  });

  it('counts the newest certificate of a Client CA, and the date that was set for its known devices', async () => {
    const [certificate] = fleetCa.certificates;
    const newer = { ...certificate, notAfter: '2028-01-01T00:00:00.000Z' };
    const renewed = { ...fleetCa, certificates: [newer, certificate] };
    const excepted = { ...fleetCa, id: `ca:${'ee'.repeat(32)}`, existingUntil: '2028-01-01T00:00:00.000Z' };

    expect(
      await found(await siteWith({ document: { ...withPki, clientCas: [renewed, excepted] } }), '2027-01-02'),
    ).toEqual([]);
  });

  it('reminds of changes that nobody has saved', async () => {
    const drafts = [{ actor: 'local-admin:alice', basedOn: 3, changedAt: '2026-05-31T12:00:00.000Z' }];

    expect(await found(await siteWith({ document: withPki, drafts }))).toMatchObject([
      { severity: 'note', what: expect.stringContaining('local-admin:alice'), fix: expect.stringMatching(/ diff$/) },
    ]);
  });
});

describe('doctor, about a certificate that the operator gave the connector', () => {
  /** A site whose connector has such a certificate, and devices connect to `k3p9.m2.example`. */
  async function siteShowing(options: { host: string; notAfter?: Date; isPair?: boolean }): Promise<FakeSite> {
    const { host, notAfter = new Date('2027-06-01T00:00:00Z'), isPair = true } = options;
    const site = await siteWith({ document: withPki }, { domains: ['k3p9.m2.example'] });
    const authority = new TestAuthority('Public');
    const hosts = [{ type: 'dns', value: host } as const];
    const shown = authority.issue({
      commonName: 'connector',
      kind: 'service',
      hosts,
      notBefore: new Date('2026-05-01'),
      notAfter,
    });
    const { keyPem } = isPair ? shown : authority.issue({ commonName: 'connector' });
    await writeFile(join(site.directory, 'shown.pem'), shown.certPem);
    await writeFile(join(site.directory, 'shown.key'), keyPem, { mode: 0o600 });
    await site.run(['config', 'set', 'connector.cert_path', join(site.directory, 'shown.pem')]);
    await site.run(['config', 'set', 'connector.key_path', join(site.directory, 'shown.key')]);
    return site;
  }

  async function foundOf(site: FakeSite) {
    const { findings } = await examine(site.run, { now: () => new Date('2026-06-01T00:00:00Z') });
    return findings.filter(({ id }) => id === 'connector-certificate');
  }

  it.each(['k3p9.m2.example', '*.m2.example'])(
    'finds nothing while it is for the name of the devices: %s',
    async (host) => {
      expect(await foundOf(await siteShowing({ host }))).toEqual([]);
    },
  );

  it.each([
    [
      'is for another name',
      { host: 'other.example' },
      /shown\.pem is not for k3p9\.m2\.example, under which devices connect/,
    ],
    ['has expired', { host: 'k3p9.m2.example', notAfter: new Date('2026-05-31') }, /expired 2026-05-31/],
    ['is about to expire', { host: 'k3p9.m2.example', notAfter: new Date('2026-06-03') }, /expires 2026-06-03/],
    ['is not of the key', { host: 'k3p9.m2.example', isPair: false }, /connector\.key_path/],
  ])('says so when it %s, and goes back to one of this site', async (_, options, what) => {
    const site = await siteShowing(options);

    const [finding] = await foundOf(site);
    await mend(site.run, finding?.fix ?? '');

    expect(finding?.what).toMatch(what);
    expect(await foundOf(site)).toEqual([]);
  });
});
