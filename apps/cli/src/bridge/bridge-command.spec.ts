import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { adminSocketPath, type BridgeChange } from '@sallyport/protocol';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AdminServer } from '../fixtures/admin-server.fixture.js';
import { runSallyport, type World } from '../fixtures/run-sallyport.fixture.js';

const tenant = '[device]\nid = "gw-1"\n[c8y]\nurl = "t.example"\n';

async function deviceWith(settings: string, files: Readonly<Record<string, string>> = {}) {
  const directory = temporaryDirectory('sallyport-bridge-');
  onTestFinished(() => directory.remove());
  const runPath = directory.file('run');
  const all = { 'tedge.toml': `${settings}\n[run]\npath = "${runPath}"\n`, ...files };
  for (const [name, content] of Object.entries(all)) {
    await mkdir(dirname(directory.file(name)), { recursive: true });
    await writeFile(directory.file(name), content);
  }
  const bridge = (words: readonly string[], world: Partial<World> = {}) =>
    runSallyport(['bridge', ...words, '--config-dir', directory.path], { cwd: directory.path, ...world });
  return { directory, runPath, bridge };
}

const oneRule = (topic: string, direction: string) =>
  `local_prefix = "c8y/"\nremote_prefix = ""\n[[rule]]\ntopic = "${topic}"\ndirection = "${direction}"\n`;

async function running(changes: readonly BridgeChange[]) {
  const device = await deviceWith(tenant, { 'sallyport.toml': '[cloud]\nconnections = ["c8y"]\n' });
  const socket = adminSocketPath(device.runPath, 'mqtt-bridge', device.directory.path);
  const server = await AdminServer.listen(socket, {
    'POST /v1/bridges/reload': ({ body }) => ({ isApplied: !isDryRun(body), changes }),
  });
  onTestFinished(() => server.close());
  return { ...device, server };
}

function isDryRun(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'dryRun' in body && body.dryRun === true;
}

describe('bridge inspect', () => {
  it('lists the rules by direction, with their columns aligned', async () => {
    const { bridge, directory } = await deviceWith(tenant, {
      'mappers/c8y/bridge/mqtt-core.toml': `
local_prefix = "c8y/"
remote_prefix = ""
[[rule]]
topic = "s/us/#"
direction = "outbound"
[[rule]]
topic = "inventory/#"
direction = "outbound"
[[rule]]
topic = "s/ds"
direction = "inbound"
`,
    });
    const { stdout, exitCode } = await bridge(['inspect', 'c8y']);
    expect(exitCode).toBe(0);
    expect(stdout).toBe(`Bridge configuration for Cumulocity
Reading from: ${directory.file('mappers/c8y/bridge')}

Local -> Remote
  c8y/s/us/#       ->  s/us/#
  c8y/inventory/#  ->  inventory/#

Remote -> Local
  s/ds  ->  c8y/s/ds

Bidirectional
  -- No matching rules --
`);
  });

  it('shows the built-in rules of each cloud before a service has written them', async () => {
    const { bridge } = await deviceWith('[device]\nid = "gw-1"\n[aws]\nurl = "a.example"\n[az]\nurl = "z.example"\n');
    expect((await bridge(['inspect', 'aws'])).stdout).toContain('  aws/shadow/#  <->  $aws/things/gw-1/shadow/#\n');
    expect((await bridge(['inspect', 'az'])).stdout).toContain(
      'az/messages/events/#  ->  devices/gw-1/messages/events/#\n',
    );
  });

  it('shows the rules of a profile, chosen by option or environment', async () => {
    const { bridge, directory } = await deviceWith(
      `${tenant}[c8y.profiles.two]\nurl = "two.example"\nbridge.topic_prefix = "c8y-two"\n`,
    );
    const { stdout } = await bridge(['inspect', 'c8y', '--profile', 'two']);
    expect(stdout).toContain(
      `Bridge configuration for Cumulocity\nProfile: two\nReading from: ${directory.file('mappers/c8y.two/bridge')}\n`,
    );
    expect(stdout).toContain('  c8y-two/s/us/#');
    expect((await bridge(['inspect', 'c8y'], { env: { TEDGE_CLOUD_PROFILE: 'two' } })).stdout).toBe(stdout);
  });

  it('shows the rules of a user-defined mapper, which has no profiles', async () => {
    const { bridge } = await deviceWith('', {
      'mappers/plant/mapper.toml': 'url = "h.example:1883"\n[device]\nid = "gw-9"\n[bridge]\nroot = "v1"\n',
      'mappers/plant/bridge/rules.toml': `local_prefix = "plant/"\nremote_prefix = "\${mapper.bridge.root}/\${mapper.device.id}/"\n[[rule]]\ntopic = "#"\ndirection = "outbound"\n`,
    });
    const { stdout } = await bridge(['inspect', 'plant']);
    expect(stdout).toContain("Bridge configuration for custom mapper 'plant'\n");
    expect(stdout).toContain('  plant/#  ->  v1/gw-9/#\n');
    expect((await bridge(['inspect', 'plant', '--profile', 'x'])).exitCode).toBe(2);
  });

  it('says on stderr, so that scripts can read stdout, that the cloud is not connected', async () => {
    const { bridge, directory } = await deviceWith(tenant);
    const { stdout, stderr } = await bridge(['inspect', 'c8y']);
    expect(stderr).toMatch(
      /^Not connected to Cumulocity, so these rules are not in use: sallyport --config-dir \S+ connect c8y$/m,
    );
    expect(stdout).not.toContain('Not connected');
    await writeFile(directory.file('sallyport.toml'), '[cloud]\nconnections = ["c8y"]\n');
    expect((await bridge(['inspect', 'c8y'])).stderr).toBe('');
  });

  it('tells with --show-all which rules are not in force, and why', async () => {
    const { bridge } = await deviceWith(tenant);
    expect((await bridge(['inspect', 'c8y'])).stdout).not.toContain('Skipped rules');
    expect((await bridge(['inspect', 'c8y', '--show-all'])).stdout).toMatch(
      /Skipped rules:\n {2}mqtt-core\.toml, line \d+: \$\{mapper\.mqtt_service\.enabled\} is false\.\n/,
    );
  });

  it('names files that a marker turns off', async () => {
    const { bridge } = await deviceWith(tenant, { 'mappers/c8y/bridge/mqtt-core.toml.disabled': '' });
    expect((await bridge(['inspect', 'c8y'])).stdout).toContain(
      'Skipping: mqtt-core.toml (disabled)\nNo bridge configuration files found.\n',
    );
  });

  it('reports all faults of all files with their lines, and ends with 1', async () => {
    const { bridge } = await deviceWith(tenant, {
      'mappers/c8y/bridge/a.toml': oneRule('a/#/b', 'outbound'),
      'mappers/c8y/bridge/b.toml': oneRule('a', 'sideways'),
    });
    const { exitCode, stdout, stderr } = await bridge(['inspect', 'c8y']);
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toContain('- a.toml, line 4: topic "a/#/b" is not a topic filter');
    expect(stderr).toContain('- b.toml, line 5: direction must be "inbound", "outbound" or "bidirectional".');
  });

  it('has all of it as JSON, with the filters that are subscribed to', async () => {
    const { bridge, directory } = await deviceWith(tenant, {
      'mappers/c8y/bridge/site.toml': oneRule('s/us/x', 'outbound'),
    });
    const { stdout } = await bridge(['inspect', 'c8y', '--json']);
    const document = JSON.parse(stdout);
    expect(document).toMatchObject({
      connection: 'c8y',
      isConnected: false,
      directory: directory.file('mappers/c8y/bridge'),
      disabledFiles: [],
    });
    expect(document.rules).toContainEqual({
      direction: 'outbound',
      local: 'c8y/s/us/x',
      remote: 's/us/x',
      file: 'site.toml',
      line: 3,
    });
    expect(document.subscriptions.local).toContain('c8y/s/us/#');
    expect(document.subscriptions.local).not.toContain('c8y/s/us/x');
  });
});

describe('bridge inspect, while a bridge runs', () => {
  it('says that the bridge has these rules, and changes nothing', async () => {
    const { bridge, server } = await running([]);
    expect((await bridge(['inspect', 'c8y'])).stdout).toContain('\nThe running bridge has these rules.\n');
    expect(server.seen).toEqual([{ route: 'POST /v1/bridges/reload', body: { dryRun: true } }]);
  });

  it('shows what a reload would change', async () => {
    const rules = { added: ['c8y/a -> a'], removed: ['c8y/b -> b'] };
    const { bridge } = await running([
      { name: 'az', change: 'rules', settings: [], rules: { added: ['other'], removed: [] } },
      { name: 'c8y', change: 'rules', settings: [], rules },
    ]);
    const { stdout } = await bridge(['inspect', 'c8y']);
    expect(stdout).toContain('The running bridge has other rules.');
    expect(stdout).toContain('  - c8y/b -> b\n  + c8y/a -> a\n');
    expect(stdout).not.toContain('other\n');
    expect(JSON.parse((await bridge(['inspect', 'c8y', '--json'])).stdout).running).toEqual({
      isSame: false,
      isReordered: false,
      ...rules,
    });
  });

  it('says that only the order is another one, because the first rule that matches applies', async () => {
    const { bridge } = await running([
      { name: 'c8y', change: 'rules', settings: [], rules: { added: [], removed: [] } },
    ]);
    const { stdout } = await bridge(['inspect', 'c8y']);
    expect(stdout).toContain('The running bridge has other rules.');
    expect(stdout).toContain('\n  the order of the rules\n');
  });

  it('says nothing of a connection that the service does not bridge yet', async () => {
    const { bridge } = await running([
      { name: 'c8y', change: 'added', settings: [], rules: { added: ['c8y/a -> a'], removed: [] } },
    ]);
    expect((await bridge(['inspect', 'c8y'])).stdout).not.toContain('running bridge');
  });
});

describe('bridge test', () => {
  it.each([
    ['c8y/s/uat', '[local] c8y/s/uat  ->  [remote] s/uat (outbound)\n'],
    ['s/ds', '[remote] s/ds  ->  [local] c8y/s/ds (inbound)\n'],
    [
      'c8y/s/uc/template',
      '[local] c8y/s/uc/template  ->  [remote] s/uc/template (outbound)\n  matched by rule: c8y/s/uc/# -> s/uc/#\n',
    ],
  ])('shows where %s goes', async (topic, expected) => {
    const { bridge } = await deviceWith(tenant);
    expect(await bridge(['test', 'c8y', topic])).toMatchObject({ exitCode: 0, stdout: expected });
  });

  it('ends with 2 when no rule matches', async () => {
    const { bridge } = await deviceWith(tenant);
    const expected = { exitCode: 2, stdout: 'No matching bridge rule found for "te/device"\n' };
    expect(await bridge(['test', 'c8y', 'te/device'])).toMatchObject(expected);
  });

  it.each(['c8y/#', 'c8y/+/us'])('ends with 1 for a topic with wildcards: %s', async (topic) => {
    const { bridge } = await deviceWith(tenant);
    const { exitCode, stdout, stderr } = await bridge(['test', 'c8y', topic]);
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toContain(
      'Error: Wildcard characters (#, +) are not supported.\nProvide a concrete topic to test against.\n',
    );
  });

  it('shows a bidirectional rule both ways', async () => {
    const { bridge } = await deviceWith('[device]\nid = "gw-1"\n[aws]\nurl = "a.example"\n');
    expect((await bridge(['test', 'aws', '$aws/things/gw-1/shadow/get'])).stdout).toBe(
      '[remote] $aws/things/gw-1/shadow/get  ->  [local] aws/shadow/get (bidirectional)\n  matched by rule: $aws/things/gw-1/shadow/# -> aws/shadow/#\n',
    );
  });

  it('shows every rule that matches, and that only the first one applies', async () => {
    const { bridge } = await deviceWith(tenant, {
      'mappers/c8y/bridge/a.toml':
        'local_prefix = "c8y/"\nremote_prefix = "own/"\n[[rule]]\ntopic = "s/ut/#"\ndirection = "outbound"\n',
    });
    const { stdout } = await bridge(['test', 'c8y', 'c8y/s/ut/x']);
    expect(stdout).toBe(`[local] c8y/s/ut/x  ->  [remote] own/s/ut/x (outbound)
  matched by rule: c8y/s/ut/# -> own/s/ut/#
[local] c8y/s/ut/x  ->  [remote] s/ut/x (outbound)
  matched by rule: c8y/s/ut/# -> s/ut/#
  not used: an earlier rule matches too, and the first one applies
`);
    const { matches } = JSON.parse((await bridge(['test', 'c8y', 'c8y/s/ut/x', '--json'])).stdout);
    expect(matches).toMatchObject([
      { travel: 'outbound', target: 'own/s/ut/x', isUsed: true, rule: { file: 'a.toml', line: 3 } },
      { travel: 'outbound', target: 's/ut/x', isUsed: false, rule: { file: 'mqtt-core.toml' } },
    ]);
  });

  it('ends with 1 when the cloud has no settings, and says which one is missing', async () => {
    const { bridge } = await deviceWith('[device]\nid = "gw-1"\n');
    const { exitCode, stderr } = await bridge(['test', 'c8y', 'c8y/s/us']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('c8y.url');
  });
});

describe('bridge reload', () => {
  const rules = { added: ['c8y/a  ->  a'], removed: ['c8y/b  ->  b'] };
  const changes: BridgeChange[] = [
    { name: 'az', change: 'reconnected', settings: ['az.url'], rules: { added: [], removed: [] } },
    { name: 'c8y', change: 'rules', settings: [], rules },
  ];

  it('shows what changes before it puts it in force', async () => {
    const { bridge, server } = await running(changes);
    expect(await bridge(['reload'])).toEqual({
      exitCode: 0,
      stdout: `az: connects anew (az.url)
c8y: other rules, on the same connection
  - c8y/b  ->  b
  + c8y/a  ->  a
`,
      stderr: 'It is in force now.\n',
    });
    expect(server.seen.map(({ body }) => body)).toEqual([{ dryRun: true }, {}]);
  });

  it('only shows it with --dry-run', async () => {
    const { bridge, server } = await running(changes);
    const { stdout, stderr } = await bridge(['reload', '--dry-run']);
    expect([stdout.split('\n').length, stderr]).toEqual([5, '']);
    expect(server.seen.map(({ body }) => body)).toEqual([{ dryRun: true }]);
  });

  it('says that nothing changes', async () => {
    const { bridge } = await running([]);
    expect(await bridge(['reload'])).toEqual({ exitCode: 0, stdout: 'Nothing changes.\n', stderr: '' });
  });

  it('prints the answer of the service as JSON', async () => {
    const { bridge } = await running(changes);
    expect(JSON.parse((await bridge(['reload', '--json'])).stdout)).toEqual({ isApplied: true, changes });
    expect(JSON.parse((await bridge(['reload', '--dry-run', '--json'])).stdout)).toEqual({ isApplied: false, changes });
  });

  it('ends with 1 when the service does not run', async () => {
    const { bridge } = await deviceWith(tenant);
    const { exitCode, stderr } = await bridge(['reload']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('The service mqtt-bridge does not run');
  });
});
