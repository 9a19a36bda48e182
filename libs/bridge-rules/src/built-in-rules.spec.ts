import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { type BuiltInCloud, loadSettings } from '@sallyport/config';
import { namesIn } from '@sallyport/files';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { builtInFiles, writeBuiltInRules } from './built-in-rules.js';
import { ruleSourceOf } from './connection-rules.js';
import { ruleText } from './diff-rules.js';
import { compile } from './matcher.js';
import { readRuleSet } from './rule-directory.js';

type AuthMethod = 'certificate' | 'basic';

async function builtInSet(kind: BuiltInCloud, settings = '', authMethod: AuthMethod = 'certificate') {
  await using directory = temporaryDirectory();
  await writeFile(directory.file('tedge.toml'), settings);
  const loaded = await loadSettings({ configDir: directory.path, env: {}, cwd: '/' });
  const connection = {
    kind,
    profile: undefined,
    authMethod,
    deviceId: 'gw-1',
    directory: directory.file('mappers', kind),
  };
  return readRuleSet(await ruleSourceOf(loaded.settings, connection));
}

async function builtInTexts(kind: BuiltInCloud, settings = '', authMethod: AuthMethod = 'certificate') {
  const { rules } = await builtInSet(kind, settings, authMethod);
  return rules.map(ruleText).toSorted();
}

const c8yAlways = [
  ...['s', 't', 'q', 'c'].flatMap((kind) => [
    `c8y/${kind}/us/#  ->  ${kind}/us/#`,
    `c8y/${kind}/uc/#  ->  ${kind}/uc/#`,
  ]),
  'c8y/s/ut/#  ->  s/ut/#',
  'c8y/inventory/managedObjects/update/#  ->  inventory/managedObjects/update/#',
  ...['measurement/measurements', 'event/events', 'alarm/alarms'].flatMap((api) =>
    ['create', 'createBulk'].map((verb) => `c8y/${api}/${verb}/#  ->  ${api}/${verb}/#`),
  ),
  ...['s/dt', 's/ds', 's/e', 'devicecontrol/notifications', 'error'].map((topic) => `${topic}  ->  c8y/${topic}`),
];

describe('the built-in rules for Cumulocity', () => {
  it('bridge with a certificate what thin-edge.io bridges, and the topics of tokens', async () => {
    const tokens = ['c8y/s/uat  ->  s/uat', 's/dat  ->  c8y/s/dat'];
    expect(await builtInTexts('c8y')).toEqual([...c8yAlways, ...tokens].toSorted());
  });

  it('bridge with a password the topics of SmartREST 1.0, and none of tokens', async () => {
    const smartRest1 = ['s', 't', 'q', 'c'].map((kind) => `c8y/${kind}/ul/#  ->  ${kind}/ul/#`);
    expect(await builtInTexts('c8y', '', 'basic')).toEqual([...c8yAlways, ...smartRest1].toSorted());
  });

  it('bridge the answers of each SmartREST template', async () => {
    const settings = '[c8y.smartrest]\ntemplates = ["a"]\n[c8y.smartrest1]\ntemplates = ["b"]\n';
    const texts = await builtInTexts('c8y', settings);
    expect(texts.filter((text) => /[ab]$/.test(text))).toEqual([
      's/dc/a  ->  c8y/s/dc/a',
      's/dl/b  ->  c8y/s/dl/b',
      's/ol/b  ->  c8y/s/ol/b',
    ]);
  });

  it('bridge the topics of the MQTT service when it is enabled', async () => {
    const settings = '[c8y.mqtt_service]\nenabled = true\ntopics = ["plant/1", "orders/#"]\n';
    const texts = await builtInTexts('c8y', settings);
    expect(texts.filter((text) => text.includes('/mqtt/'))).toEqual([
      'c8y/mqtt/out/#  ->  #',
      'orders/#  ->  c8y/mqtt/in/orders/#',
      'plant/1  ->  c8y/mqtt/in/plant/1',
    ]);
    const off = await builtInTexts('c8y', '[c8y.mqtt_service]\ntopics = ["plant/1"]\n');
    expect(off.filter((text) => text.includes('/mqtt/'))).toEqual([]);
  });

  it('use the topic prefix of the settings', async () => {
    const texts = await builtInTexts('c8y', '[c8y.bridge]\ntopic_prefix = "cloud/one"\n');
    expect(texts).toContain('cloud/one/s/us/#  ->  s/us/#');
    expect(texts.join('\n')).not.toContain('c8y');
  });
});

describe('the built-in rules for Azure', () => {
  it('bridge messages, methods and the twin of the device', async () => {
    expect(await builtInTexts('az')).toEqual(
      [
        'az/messages/events/#  ->  devices/gw-1/messages/events/#',
        'devices/gw-1/messages/devicebound/#  ->  az/messages/devicebound/#',
        '$iothub/methods/POST/#  ->  az/methods/POST/#',
        'az/methods/res/#  ->  $iothub/methods/res/#',
        '$iothub/twin/res/#  ->  az/twin/res/#',
        'az/twin/GET/#  ->  $iothub/twin/GET/#',
        'az/twin/PATCH/#  ->  $iothub/twin/PATCH/#',
      ].toSorted(),
    );
  });
});

describe('the built-in rules for AWS', () => {
  it('bridge telemetry, commands, the shadow, and the test of the connection', async () => {
    expect(await builtInTexts('aws')).toEqual(
      [
        'aws/td/#  ->  thinedge/gw-1/td/#',
        'thinedge/gw-1/cmd/#  ->  aws/cmd/#',
        'aws/shadow/#  <->  $aws/things/gw-1/shadow/#',
        'aws/test-connection  ->  thinedge/devices/gw-1/test-connection',
        'thinedge/devices/gw-1/test-connection  ->  aws/connection-success',
      ].toSorted(),
    );
  });

  it('send the test of the connection out, and back to another topic', async () => {
    const matcher = compile(await builtInSet('aws'));
    const sent = matcher.mapTopic('outbound', 'aws/test-connection')?.topic ?? '';
    expect(matcher.mapTopic('inbound', sent)?.topic).toBe('aws/connection-success');
    expect(matcher.mapTopic('outbound', 'aws/connection-success')).toBeUndefined();
  });
});

describe('the files of built-in rules', () => {
  const [{ name, text } = { name: '', text: '' }] = builtInFiles('c8y');

  async function folder(files: Readonly<Record<string, string>>) {
    const directory = temporaryDirectory();
    for (const [file, content] of Object.entries(files)) await writeFile(directory.file(file), content);
    const read = (file: string) => readFile(directory.file(file), 'utf8').catch(() => undefined);
    return { directory, read, [Symbol.asyncDispose]: () => directory.remove() };
  }

  it('are written with their template where there are none', async () => {
    await using site = await folder({});
    const bridge = site.directory.file('mappers', 'c8y', 'bridge');
    expect(await writeBuiltInRules(bridge, 'c8y')).toEqual([name]);
    expect((await namesIn(bridge)).toSorted()).toEqual(['mqtt-core.toml', 'mqtt-core.toml.template']);
    expect(await readFile(`${bridge}/mqtt-core.toml`, 'utf8')).toBe(text);
  });

  it('are renewed where they are the former template', async () => {
    await using site = await folder({ 'mqtt-core.toml': 'old', 'mqtt-core.toml.template': 'old' });
    expect(await writeBuiltInRules(site.directory.path, 'c8y')).toEqual([name]);
    expect([await site.read(name), await site.read(`${name}.template`)]).toEqual([text, text]);
  });

  it('stay as somebody edited them, beside the new template', async () => {
    await using site = await folder({ 'mqtt-core.toml': 'edited', 'mqtt-core.toml.template': 'old' });
    expect(await writeBuiltInRules(site.directory.path, 'c8y')).toEqual([]);
    expect([await site.read(name), await site.read(`${name}.template`)]).toEqual(['edited', text]);
  });

  it('are not written where a marker turns them off, but their template is', async () => {
    await using site = await folder({ 'mqtt-core.toml.disabled': '' });
    expect(await writeBuiltInRules(site.directory.path, 'c8y')).toEqual([]);
    expect([await site.read(name), await site.read(`${name}.template`)]).toEqual([undefined, text]);
  });

  it('count as ours after a crash between the rules and their template', async () => {
    await using site = await folder({ 'mqtt-core.toml': text, 'mqtt-core.toml.template': 'old' });
    await writeBuiltInRules(site.directory.path, 'c8y');
    expect(await site.read(`${name}.template`)).toBe(text);
  });

  it('are not touched where nothing changes', async () => {
    await using site = await folder({});
    await writeBuiltInRules(site.directory.path, 'c8y');
    expect(await writeBuiltInRules(site.directory.path, 'c8y')).toEqual([]);
  });

  it('are in force before they are written, unless a marker turns them off', async () => {
    await using site = await folder({});
    await mkdir(site.directory.file('mappers/aws/bridge'), { recursive: true });
    const loaded = await loadSettings({ configDir: site.directory.path, env: {}, cwd: '/' });
    const directory = site.directory.file('mappers/aws');
    const connection = {
      kind: 'aws',
      profile: undefined,
      authMethod: 'certificate',
      deviceId: 'gw',
      directory,
    } as const;
    const source = await ruleSourceOf(loaded.settings, connection);
    expect((await readRuleSet(source)).rules).toHaveLength(5);
    await writeFile(site.directory.file('mappers/aws/bridge/rules.toml.disabled'), '');
    expect(await readRuleSet(source)).toMatchObject({ rules: [], disabledFiles: ['rules.toml'], fileCount: 0 });
  });

  it('count as those of this release when nobody edited them since an earlier one, also before they are renewed', async () => {
    await using site = await folder({});
    const bridge = site.directory.file('mappers/aws/bridge');
    await mkdir(bridge, { recursive: true });
    const old = 'local_prefix = "a/"\nremote_prefix = "b/"\n[[rule]]\ntopic = "old"\ndirection = "outbound"\n';
    const loaded = await loadSettings({ configDir: site.directory.path, env: {}, cwd: '/' });
    const directory = site.directory.file('mappers/aws');
    const connection = {
      kind: 'aws',
      profile: undefined,
      authMethod: 'certificate',
      deviceId: 'gw',
      directory,
    } as const;
    const source = await ruleSourceOf(loaded.settings, connection);
    await writeFile(`${bridge}/rules.toml`, old);
    expect((await readRuleSet(source)).rules.map(ruleText)).toEqual(['a/old  ->  b/old']);
    await writeFile(`${bridge}/rules.toml.template`, old);
    expect((await readRuleSet(source)).rules).toHaveLength(5);
  });
});
