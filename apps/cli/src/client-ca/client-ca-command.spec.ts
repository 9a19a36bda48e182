import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { authorityIdOf } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import {
  connector,
  connectorDocument,
  draft,
  fleetCa,
  fleetDescription,
  fleetId,
  loginChange,
} from '../fixtures/connector-answers.fixture.js';
import { type FakeSite, fakeSite } from '../fixtures/fake-site.fixture.js';
import { runSallyport } from '../fixtures/run-sallyport.fixture.js';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';

const base = '/v1/connectors/default';

/** A site whose connector has one Client CA, `Fleet`. */
async function siteWithFleet(): Promise<FakeSite> {
  const site = await fakeSite();
  const { routes } = site.admin['device-registry'];
  routes.set(`GET ${base}`, () => connector);
  routes.set(`GET ${base}/draft`, () => draft);
  routes.set(`GET ${base}/client-cas/:id`, () => fleetDescription);
  routes.set(`PATCH ${base}/draft/client-cas/:id`, () => ({ ...draft, changes: [loginChange] }));
  routes.set(`DELETE ${base}/draft/client-cas/:id`, () => ({ ...draft, changes: [loginChange] }));
  routes.set(`POST ${base}/draft/client-cas`, () => ({ ...draft, changes: [loginChange] }));
  return site;
}

async function fileIn(site: FakeSite, name: string, content: string | Buffer): Promise<string> {
  const path = join(site.directory, name);
  await writeFile(path, content);
  return path;
}

/** Requests that carry something, in order. */
const sent = (site: FakeSite) =>
  site.admin['device-registry'].seen.flatMap(({ route, body }) => (body === undefined ? [] : [{ route, body }]));

describe('client-ca add', () => {
  it('puts the certificate and what is said of it into the draft', async () => {
    await using site = await siteWithFleet();
    const { rootPem } = new TestAuthority('Other');
    const file = await fileIn(site, 'other.pem', rootPem);

    const words = ['--label', 'Other', '--namespace', 'acme-', '--quota', '500', '--approval', 'manual'];
    const { stdout } = await site.run(['client-ca', 'add', file, ...words, '--successor-of', 'Fleet']);

    expect(stdout).toMatch(/^Draft of "default":\n/);
    expect(stdout).toContain('Nothing of this is in force yet.');
    expect(sent(site)).toEqual([
      {
        route: `POST ${base}/draft/client-cas`,
        body: {
          certificate: { base64: Buffer.from(rootPem).toString('base64') },
          label: 'Other',
          namespace: 'acme-',
          quota: 500,
          approval: 'manual',
          successorOf: fleetId,
        },
      },
    ]);
  });

  it('sends no private key to anybody', async () => {
    await using site = await siteWithFleet();
    const { keyPem, certPem } = new TestAuthority().issue({ commonName: 'fleet' });
    const file = await fileIn(site, 'both.pem', certPem + keyPem);

    const { exitCode, stderr } = await site.run(['client-ca', 'add', file]);

    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^Error: .*both\.pem holds a private key\. It has not been sent to anybody\.\n/);
    expect(site.admin['device-registry'].seen).toEqual([]);
  });
});

describe('client-ca set and remove', () => {
  it.each([
    [['--name-template', '{cn}-{o}'], { naming: { by: 'template', template: '{cn}-{o}' } }],
    [['--name-pattern', '^pump-([0-9]+)$'], { naming: { by: 'regex', pattern: '^pump-([0-9]+)$' } }],
    [['--name-by-cn'], { naming: { by: 'cn' } }],
    [
      ['--namespace', 'none', '--quota', 'none', '--existing-until', 'none'],
      { namespace: null, quota: null, existingUntil: null },
    ],
    [['--existing-until', '2027-06-30'], { existingUntil: '2027-06-30T00:00:00.000Z' }],
    [['--crl', 'hard'], { crl: { mode: 'hard' } }],
    [['--crl-url', 'http://crl.example/fleet.crl'], { crl: { mode: 'soft', url: 'http://crl.example/fleet.crl' } }],
    [['--successor-of', 'none'], { successorOf: null }],
  ])('asks for what was said: %j', async (words, body) => {
    await using site = await siteWithFleet();

    expect((await site.run(['client-ca', 'set', 'Fleet', ...words])).stderr).toBe('');
    expect(sent(site)).toEqual([{ route: `PATCH ${base}/draft/client-cas/${encodeURIComponent(fleetId)}`, body }]);
  });

  it.each([
    ['no date', ['--existing-until', 'soon']],
    ['an address that is none', ['--crl-url', 'ftp://crl.example']],
    ['a namespace with a slash', ['--namespace', 'a/b']],
    ['a pattern that is too short for a group', ['--name-pattern', '(']],
    ['an empty template', ['--name-template', '']],
  ])('is called wrongly with %s', async (_, words) => {
    await using site = await siteWithFleet();

    expect((await site.run(['client-ca', 'set', 'Fleet', ...words])).exitCode).toBe(2);
  });

  it('takes one way to name devices', async () => {
    await using site = await siteWithFleet();

    const { stderr } = await site.run(['client-ca', 'set', 'Fleet', '--name-by-cn', '--name-template', '{o}']);

    expect(stderr).toContain('Give one of --name-by-cn, --name-template and --name-pattern.');
  });

  it('takes a Client CA out of the draft', async () => {
    await using site = await siteWithFleet();

    expect((await site.run(['client-ca', 'remove', 'Fleet'])).stdout).toContain('(concerns 12 devices)');
    expect(site.admin['device-registry'].seen.at(-1)?.route).toBe(
      `DELETE ${base}/draft/client-cas/${encodeURIComponent(fleetId)}`,
    );
  });
});

describe('the Client CA a command is about', () => {
  it('is named by its label, its id, the beginning of it, or a file with its certificate', async () => {
    await using site = await siteWithFleet();
    const authority = new TestAuthority('Fleet');
    const file = await fileIn(site, 'fleet.pem', authority.rootPem);
    const known = {
      ...connectorDocument,
      clientCas: [fleetCa, { ...fleetCa, id: authorityIdOf(authority.root), label: 'New' }],
    };
    site.admin['device-registry'].routes.set(`GET ${base}/draft`, () => ({ ...draft, document: known }));

    for (const name of ['Fleet', fleetId, fleetId.slice(0, 15)])
      expect((await site.run(['client-ca', 'show', name])).exitCode).toBe(0);
    await site.run(['client-ca', 'show', file]);

    const asked = site.admin['device-registry'].seen
      .map(({ route }) => route)
      .filter((route) => /client-cas/.test(route));
    const routeOf = (id: string) => `GET ${base}/client-cas/${encodeURIComponent(id)}`;
    expect(asked).toEqual([...Array(3).fill(routeOf(fleetId)), routeOf(authorityIdOf(authority.root))]);
  });

  it('is asked for with a command that works as it is shown, also with npx', async () => {
    await using site = await siteWithFleet();
    const env = { TEDGE_CONFIG_DIR: site.directory };

    const words = ['client-ca', 'show', 'nothing'];
    const { stderr } = await runSallyport(words, { cwd: site.directory, env, programName: 'npx sallyport' });

    expect(stderr).toMatch(/\nTo see the Client CAs: npx sallyport client-ca list\n$/);
  });

  it('can be one that the draft has removed', async () => {
    await using site = await siteWithFleet();
    const emptied = { ...draft, document: { ...connectorDocument, clientCas: [] } };
    site.admin['device-registry'].routes.set(`GET ${base}/draft`, () => emptied);

    expect((await site.run(['client-ca', 'show', 'Fleet'])).exitCode).toBe(0);
  });

  it('is asked for again when there is none, or several are meant', async () => {
    await using site = await siteWithFleet();
    const twin = { ...fleetCa, id: `ca:${'ce'.repeat(32)}` };
    const two = { ...draft, document: { ...connectorDocument, clientCas: [fleetCa, twin] } };
    site.admin['device-registry'].routes.set(`GET ${base}/draft`, () => two);

    const unknown = await site.run(['client-ca', 'show', 'nothing']);
    const several = await site.run(['client-ca', 'show', 'Fleet']);

    expect(unknown.stderr).toContain(
      'Error: "nothing" is no Client CA of connector "default".\nTo see the Client CAs: ',
    );
    expect(several.stderr).toContain('Error: "Fleet" stands for 2 Client CAs.\n');
  });
});

describe('client-ca disable', () => {
  it.each([
    ['--stop-new', { provision: false }],
    ['--block-logins', { provision: false, login: false, sessions: 'keep' }],
    ['--cut-now', { provision: false, login: false, sessions: 'end' }],
  ])('tells with %s how many devices it concerns, and changes the draft', async (flag, body) => {
    await using site = await siteWithFleet();

    const { stdout, stderr } = await site.run(['client-ca', 'disable', 'Fleet', flag]);

    expect(stderr).toContain('Client CA "Fleet" vouches for 14 devices; 12 of them may log in now.');
    expect(stdout).toContain('Nothing of this is in force yet.');
    expect(sent(site).map((request) => request.body)).toEqual([body]);
  });

  it('explains the three levers when none is chosen, and changes nothing', async () => {
    await using site = await siteWithFleet();

    const { exitCode, stderr } = await site.run(['client-ca', 'disable', 'Fleet']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('Error: Client CA "Fleet" vouches for 14 devices; 12 of them may log in now. Nothing has');
    for (const flag of ['--stop-new', '--block-logins', '--cut-now']) expect(stderr).toContain(`Fleet ${flag}\n`);
    expect(sent(site)).toEqual([]);
  });

  it('has a way back', async () => {
    await using site = await siteWithFleet();

    await site.run(['client-ca', 'enable', 'Fleet']);

    expect(sent(site).map(({ body }) => body)).toEqual([{ provision: true, login: true, sessions: 'end' }]);
  });
});

describe('client-ca list and show', () => {
  const now = () => new Date('2026-06-01T00:00:00Z');

  it('lists what is in force, and apart from it what the draft has', async () => {
    await using site = await siteWithFleet();
    const blocked = { ...fleetCa, provision: false, login: false };
    const changed = { ...draft, document: { ...connectorDocument, clientCas: [blocked] } };
    site.admin['device-registry'].routes.set(`GET ${base}/draft`, () => changed);

    const { stdout } = await site.run(['client-ca', 'list'], { now });

    expect(stdout.split('\n').slice(0, 6)).toEqual([
      'CLIENT CA        LABEL  NEW DEVICES  LOGINS  UNTIL                     SUBJECT',
      'ca:cdcdcdcdcdcd  Fleet  yes          yes     2027-01-01T00:00:00.000Z  CN=Fleet CA',
      '',
      'With the draft, which is not in force yet:',
      'CLIENT CA        LABEL  NEW DEVICES  LOGINS                UNTIL                     SUBJECT',
      'ca:cdcdcdcdcdcd  Fleet  no           no, connections stay  2027-01-01T00:00:00.000Z  CN=Fleet CA',
    ]);
  });

  it('shows the devices, the rules and the revocation list of one', async () => {
    await using site = await siteWithFleet();
    site.admin['device-registry'].routes.set(`GET ${base}/client-cas/:id`, () => ({
      ...fleetDescription,
      clientCa: {
        ...fleetCa,
        naming: { by: 'template', template: '{o}-{cn}' },
        crl: { mode: 'hard', url: 'http://crl.example/fleet.crl' },
      },
      crl: {
        thisUpdate: '2026-05-01T00:00:00.000Z',
        nextUpdate: '2026-06-01T00:00:00.000Z',
        revoked: 3,
        recordedAt: '2026-05-02T00:00:00.000Z',
        source: 'fetched',
      },
      findings: [{ code: 'ends-soon', severity: 'warning', text: 'It ends in 30 days.' }],
    }));

    const { stdout } = await site.run(['client-ca', 'show', 'Fleet'], { now });

    expect(stdout).toMatch(/^Identity: +the template \{o\}-\{cn\}$/m);
    expect(stdout).toMatch(
      /^Revocation list: +hard, from http:\/\/crl\.example\/fleet\.crl: 3 revoked, of 2026-05-01/m,
    );
    expect(stdout).toMatch(/^Proof: +local-admin:alice vouches for it, /m);
    expect(stdout).toContain('vouches for 14 devices; 12 of them may log in now.');
    expect(stdout).toMatch(/^warning +It ends in 30 days\.$/m);
  });
});

describe('client-ca prove, crl and preview', () => {
  it('prints the commands for who has the key, and the one that takes the proof', async () => {
    await using site = await siteWithFleet();
    site.admin['device-registry'].routes.set(`POST ${base}/client-cas/:id/challenge`, () => ({
      commonName: 'sallyport-proof-0123456789',
      expiresAt: '2026-05-02T00:00:00.000Z',
      commands: ['openssl req -new …', 'openssl x509 -req …'],
    }));

    const { stdout } = await site.run(['client-ca', 'prove', 'Fleet']);

    expect(stdout).toContain('\n  openssl req -new …\n  openssl x509 -req …\n');
    expect(stdout).toMatch(new RegExp(`client-ca prove ${fleetId} --certificate FILE\n$`));
  });

  it('hands in the proof', async () => {
    await using site = await siteWithFleet();
    const { certPem } = new TestAuthority().issue({ commonName: 'sallyport-proof-0123456789' });
    const file = await fileIn(site, 'proof.pem', certPem);
    const proof = { by: 'possession', at: '2026-05-01T12:00:00.000Z' };
    site.admin['device-registry'].routes.set(`POST ${base}/client-cas/:id/proof`, () => ({
      ...fleetDescription,
      clientCa: { ...fleetCa, proof },
    }));

    expect((await site.run(['client-ca', 'prove', 'Fleet', '--certificate', file])).stdout).toMatch(
      /^Proof: +its key was shown to be held, 2026-05-01T12:00:00.000Z$/m,
    );
  });

  it('takes on a revocation list from a file, or has it fetched', async () => {
    await using site = await siteWithFleet();
    const list = new TestAuthority().crl();
    const file = await fileIn(site, 'fleet.crl', list);
    site.admin['device-registry'].routes.set(`POST ${base}/client-cas/:id/crl`, () => fleetDescription);

    await site.run(['client-ca', 'crl', 'Fleet', file]);
    await site.run(['client-ca', 'crl', 'Fleet', '--fetch']);

    expect(sent(site).map(({ body }) => body)).toEqual([{ crl: { base64: list.toString('base64') } }, { fetch: true }]);
    expect((await site.run(['client-ca', 'crl', 'Fleet'])).stderr).toContain('Name its file, or give --fetch');
  });

  it('tells the identity that a certificate would get', async () => {
    await using site = await siteWithFleet();
    const { certPem } = new TestAuthority().issue({ commonName: 'pump-17' });
    const file = await fileIn(site, 'pump-17.pem', certPem);
    const accepted = { outcome: 'accepted', clientCa: fleetId, label: 'Fleet', identity: 'pump-17', findings: [] };
    site.admin['device-registry'].routes.set(`POST ${base}/preview`, () => accepted);

    expect((await site.run(['client-ca', 'preview', file, '--saved'])).stdout).toBe(
      `Identity: pump-17\nClient CA: Fleet (${fleetId})\n`,
    );
    expect(sent(site)[0]?.body).toMatchObject({ against: 'saved' });
  });

  it('tells why a certificate would be refused, and ends with 1', async () => {
    await using site = await siteWithFleet();
    const { certPem } = new TestAuthority().issue({ commonName: 'pump-17' });
    const file = await fileIn(site, 'pump-17.pem', certPem);
    site.admin['device-registry'].routes.set(`POST ${base}/preview`, () => ({
      outcome: 'refused',
      reason: 'certificate-expired',
      text: 'The certificate ended 2026-01-01T00:00:00Z.',
      remedy: 'Have a new one issued.',
      findings: [],
    }));

    expect(await site.run(['client-ca', 'preview', file])).toMatchObject({
      exitCode: 1,
      stdout: 'Refused: certificate-expired. The certificate ended 2026-01-01T00:00:00Z.\nHave a new one issued.\n',
    });
  });
});
