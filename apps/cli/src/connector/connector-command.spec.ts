import { describe, expect, it } from 'vitest';
import {
  connector,
  connectorDocument,
  draft,
  fleetCa,
  loginChange,
  selfChange,
} from '../fixtures/connector-answers.fixture.js';
import { type FakeSite, fakeSite } from '../fixtures/fake-site.fixture.js';

/** A site whose registry has one connector with one Client CA, and an empty draft that changes as told. */
async function siteWith({
  before = draft,
  after = draft,
}: {
  before?: object;
  after?: object;
} = {}): Promise<FakeSite> {
  const site = await fakeSite();
  const { routes } = site.admin['device-registry'];
  routes.set('GET /v1/connectors/default', () => connector);
  routes.set('GET /v1/connectors/default/draft', () => before);
  routes.set('PATCH /v1/connectors/default/draft', () => after);
  return site;
}

/** A terminal at which somebody types. */
function terminalWith(text: string) {
  async function* keys() {
    yield text;
  }
  return Object.assign(keys(), { isTTY: true, setRawMode: () => undefined });
}

const bodies = (site: FakeSite) => site.admin['device-registry'].seen.flatMap(({ body }) => body ?? []);

describe('a command that changes the draft', () => {
  it('tells what is different now, that it is not in force, and how to save it', async () => {
    await using site = await siteWith({ after: { ...draft, changes: [selfChange] } });

    const { exitCode, stdout } = await site.run(['connector', 'provisioning', '--self', '--auth', 'certificate']);

    expect(exitCode).toBe(0);
    expect(stdout).toBe(
      [
        'Draft of "default":',
        '  ~ self-provisioning: off -> on',
        `Nothing of this is in force yet. To put it in force: sallyport --config-dir ${site.directory} connector save`,
        '',
      ].join('\n'),
    );
    expect(bodies(site)).toEqual([{ provisioning: { self: true, auth: 'certificate' } }]);
  });

  it('tells apart what it changed from what was changed before', async () => {
    await using site = await siteWith({
      before: { ...draft, changes: [loginChange] },
      after: { ...draft, changes: [loginChange, selfChange] },
    });

    const { stdout } = await site.run(['connector', 'provisioning', '--self']);

    expect(stdout).toContain('  ~ self-provisioning: off -> on\n  and 1 earlier change: sallyport');
    expect(stdout).not.toContain('Fleet');
  });

  it('says so when the draft changes nothing any more', async () => {
    await using site = await siteWith({ before: { ...draft, changes: [selfChange] } });

    const { stdout } = await site.run(['connector', 'provisioning', '--self', 'off']);

    expect(stdout).toBe('The draft of "default" changes nothing.\n');
    expect(bodies(site)).toEqual([{ provisioning: { self: false } }]);
  });

  it('tells what stands against saving', async () => {
    const findings = [
      { code: 'pki-without-ca', severity: 'warning', text: 'PKI is on and there is no Client CA: no device gets in.' },
    ];
    await using site = await siteWith({ after: { ...draft, current: 4, changes: [selfChange], findings } });

    const { stdout } = await site.run(['connector', 'provisioning', '--pki', 'on']);

    expect(stdout).toContain('warning  PKI is on and there is no Client CA: no device gets in.\n');
    expect(stdout).toMatch(/^Version 4 is in force: somebody saved .* connector rebase$/m);
  });

  it('repeats no warning that the draft gave before', async () => {
    const findings = [{ code: 'any-ca', severity: 'warning', text: 'Each Client CA can take over the devices.' }];
    await using site = await siteWith({
      before: { ...draft, changes: [loginChange], findings },
      after: { ...draft, changes: [loginChange, selfChange], findings },
    });

    expect((await site.run(['connector', 'provisioning', '--self'])).stdout).not.toContain('warning');
    expect((await site.run(['connector', 'diff'])).stdout).toContain('warning  Each Client CA');
  });

  it('works on the connector it is told, also in the commands it shows', async () => {
    await using site = await fakeSite();
    const { routes } = site.admin['device-registry'];
    const plant = { ...draft, changes: [selfChange], document: { ...connectorDocument, name: 'plant2' } };
    routes.set('GET /v1/connectors/plant2/draft', () => draft);
    routes.set('PATCH /v1/connectors/plant2/draft', () => plant);

    const { stdout } = await site.run(['connector', 'provisioning', '--self', '--connector', 'plant2']);

    expect(stdout).toContain('Draft of "plant2":');
    expect(stdout).toMatch(/connector save --connector plant2\n$/);
  });

  it('prints the draft as JSON for programs', async () => {
    await using site = await siteWith({ after: { ...draft, changes: [selfChange] } });

    const { stdout } = await site.run(['connector', 'pki', '--pinning', 'same-ca', '--json']);

    expect(JSON.parse(stdout)).toEqual({ ...draft, changes: [selfChange] });
  });

  it.each([
    [['provisioning', '--pki'], { pki: { enabled: true } }],
    [['provisioning', '--activation', '90m'], { provisioning: { activationHours: 2 } }],
    [
      ['provisioning', '--allow-network', '10.1.0.0/16', '--allow-network', '2001:db8::/32'],
      { provisioning: { allowedNetworks: ['10.1.0.0/16', '2001:db8::/32'] } },
    ],
    [['provisioning', '--any-network'], { provisioning: { allowedNetworks: [] } }],
    [['provisioning', '--generate-identity', 'on'], { provisioning: { generateIdentity: true } }],
    [['pki', '--accept-site', 'off', '--pinning', 'any-ca'], { pki: { acceptsSite: false, pinning: 'any-ca' } }],
    [
      ['pki', '--keep-former', '30d', '--clock-skew', '5m', '--require-client-auth'],
      { pki: { keepFormerDays: 30, notBeforeSkewSeconds: 300, requireClientAuth: true } },
    ],
    [['identity', '--type', 'base16', '--length', '12'], { identity: { type: 'base16', casing: 'mixed', length: 12 } }],
    [['identity', '--prefix', 'none', '--casing', 'lower'], { identity: { type: 'opaque', casing: 'lower' } }],
    [['quota', '--devices', '1000', '--new-per-minute', 'none'], { quota: { devices: 1000, newPerMinute: null } }],
    [['domain', 'add', 'k3p9.example'], { domains: ['k3p9.example'] }],
    [['hook', 'set', 'https://hook.example/ask'], { hook: { url: 'https://hook.example/ask' } }],
    [['hook', 'remove'], { hook: null }],
    [
      ['resource', 'set', 'valve', '--settable', '--allow', 'open', '--allow', 'closed'],
      { resources: { valve: { format: 'string', settable: true, allowed: ['open', 'closed'] } } },
    ],
    [
      ['resource', 'set', 'temperature', '--format', 'number', '--unit', '°C'],
      { resources: { temperature: { format: 'number', settable: false, unit: '°C' } } },
    ],
  ])('asks for what was said: %j', async (words, body) => {
    await using site = await siteWith();

    expect((await site.run(['connector', ...words])).stderr).toBe('');
    expect(bodies(site)).toEqual([body]);
  });

  it.each([
    ['no network', ['provisioning', '--allow-network', '10.1.0.0']],
    ['no switch', ['provisioning', '--self', 'maybe']],
    ['an unknown way to authenticate', ['provisioning', '--auth', 'hash']],
    ['a bad name', ['domain', 'add', 'Example.COM']],
    ['an address as a name', ['domain', 'add', '192.0.2.1']],
    ['a bad alias', ['resource', 'set', 'a.b']],
    ['a bad connector', ['show', '--connector', '../x']],
    ['no number', ['quota', '--devices', '-1']],
  ])('is called wrongly with %s, and asks nobody', async (_, words) => {
    await using site = await siteWith();

    expect(await site.run(['connector', ...words])).toMatchObject({ exitCode: 2, stdout: '' });
    expect(site.admin['device-registry'].seen).toEqual([]);
  });

  it.each(['provisioning', 'pki', 'identity', 'quota'])('is explained when %s is told nothing', async (command) => {
    await using site = await siteWith();

    const { exitCode, stderr } = await site.run(['connector', command]);

    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^Error: Nothing was said that could be changed\.\nName an option/);
  });

  it('names what is there when something to remove is not', async () => {
    await using site = await siteWith();

    const { stderr } = await site.run(['connector', 'domain', 'remove', 'other.example']);

    expect(stderr).toBe('Error: The draft has no name "other.example".\nIt has none at all.\n');
  });
});

describe('connector diff and save', () => {
  const saved = {
    etag: '"4"',
    document: { ...connectorDocument, version: 4 },
    followed: { listeners: 1, late: 0 },
  };

  it('shows every change of the draft', async () => {
    await using site = await siteWith({ before: { ...draft, changes: [selfChange, loginChange] } });

    expect((await site.run(['connector', 'diff'])).stdout).toBe(
      [
        'Draft of "default", begun on version 3:',
        '  ~ self-provisioning: off -> on',
        '  ~ Client CA "Fleet": logins are refused (concerns 12 devices)',
        '',
      ].join('\n'),
    );
  });

  it('saves the draft that was shown, and no other', async () => {
    await using site = await siteWith({ before: { ...draft, changes: [selfChange] } });
    site.admin['device-registry'].routes.set('POST /v1/connectors/default/draft/save', () => saved);

    const { exitCode, stdout } = await site.run(['connector', 'save']);

    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^ {2}~ self-provisioning: off -> on$/m);
    expect(stdout).toMatch(/\nVersion 4 of "default" is in force\.\n$/);
  });

  it('saves nothing when nothing was changed', async () => {
    await using site = await siteWith();

    expect(await site.run(['connector', 'save'])).toMatchObject({
      exitCode: 0,
      stdout: 'The draft of "default" changes nothing.\n',
    });
    expect(site.admin['device-registry'].seen.map(({ route }) => route)).toEqual(['GET /v1/connectors/default/draft']);
  });

  it('saves nothing that concerns devices until it is told so', async () => {
    await using site = await siteWith({ before: { ...draft, changes: [loginChange] } });
    site.admin['device-registry'].routes.set('POST /v1/connectors/default/draft/save', () => saved);

    const refused = await site.run(['connector', 'save']);

    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('Error: Nothing has been saved: the draft concerns 12 devices.\nTo save it: ');
    expect(refused.stderr).toContain('connector save --yes\n');
    expect(site.admin['device-registry'].seen.map(({ route }) => route)).not.toContain(
      'POST /v1/connectors/default/draft/save',
    );
    expect((await site.run(['connector', 'save', '--yes'])).exitCode).toBe(0);
  });

  it.each([
    ['yes', 0],
    ['y', 1],
    ['no', 1],
  ])(
    'asks a person at a terminal before it saves what concerns devices: "%s" ends with %i',
    async (answer, exitCode) => {
      await using site = await siteWith({ before: { ...draft, changes: [loginChange] } });
      site.admin['device-registry'].routes.set('POST /v1/connectors/default/draft/save', () => saved);

      const ran = await site.run(['connector', 'save'], { stdin: terminalWith(`${answer}\r`) });

      expect(ran.exitCode).toBe(exitCode);
      expect(ran.stderr).toContain('This concerns 12 devices; type "yes" to save: ');
      const isSaved = site.admin['device-registry'].seen.some(({ route }) => route.endsWith('/save'));
      expect(isSaved).toBe(exitCode === 0);
    },
  );

  it('warns when a listener has not followed', async () => {
    await using site = await siteWith({ before: { ...draft, changes: [selfChange] } });
    site.admin['device-registry'].routes.set('POST /v1/connectors/default/draft/save', () => ({
      ...saved,
      followed: { listeners: 1, late: 1 },
    }));

    const { stdout } = await site.run(['connector', 'save']);

    expect(stdout).toContain('Warning: 1 of 2 listeners did not follow within 5 s');
  });

  it('forgets the draft', async () => {
    await using site = await siteWith({ before: { ...draft, changes: [selfChange] } });
    site.admin['device-registry'].routes.set('DELETE /v1/connectors/default/draft', () => undefined);

    expect((await site.run(['connector', 'discard'])).stdout).toBe('1 change of "default" forgotten.\n');
  });
});

describe('connector show and list', () => {
  it('shows the settings and the Client CAs that are in force', async () => {
    await using site = await siteWith();
    const resources = { temperature: { format: 'number', unit: '°C', settable: false } };
    const settings = { ...connectorDocument.settings, domains: ['k3p9.example'], resources };
    site.admin['device-registry'].routes.set('GET /v1/connectors/default', () => ({
      ...connector,
      document: { ...connectorDocument, settings },
    }));

    const { stdout } = await site.run(['connector', 'show'], { now: () => new Date('2026-06-01T00:00:00Z') });

    expect(stdout).toMatch(/^Self-provisioning: +off$/m);
    expect(stdout).toMatch(/^Domains: +k3p9.example$/m);
    expect(stdout).toMatch(/^ca:cdcdcdcdcdcd {2}Fleet +yes +yes +2027-01-01T00:00:00.000Z {2}CN=Fleet CA$/m);
    expect(stdout).toMatch(/^temperature +number +°C +no +any$/m);
  });

  it('shows the first command when there is no Client CA', async () => {
    await using site = await siteWith();
    site.admin['device-registry'].routes.set('GET /v1/connectors/default', () => ({
      ...connector,
      document: { ...connectorDocument, clientCas: [] },
    }));

    expect((await site.run(['connector', 'show'])).stdout).toMatch(
      /^No Client CA\. To add one: .* client-ca add FILE$/m,
    );
  });

  it('says that a Client CA has expired', async () => {
    await using site = await siteWith();

    const { stdout } = await site.run(['connector', 'show'], { now: () => new Date('2028-01-01T00:00:00Z') });

    expect(stdout).toContain('2027-01-01T00:00:00.000Z (expired)');
    expect(fleetCa.certificates).toHaveLength(1);
  });

  it('lists the connectors of the site', async () => {
    await using site = await fakeSite();
    const one = { name: 'default', version: 3, domains: [], self: true, pki: true, clientCas: 2 };
    site.admin['device-registry'].routes.set('GET /v1/connectors', () => ({ connectors: [one] }));

    expect((await site.run(['connector', 'list'])).stdout.split('\n')).toEqual([
      'CONNECTOR  VERSION  DOMAINS  SELF-PROVISIONING  PKI  CLIENT CAS',
      'default    3        -        on                 on   2',
      '',
    ]);
  });
});
