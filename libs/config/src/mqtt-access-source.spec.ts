import { unwatchFile, watchFile } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { deviceId } from '@sallyport/protocol';
import { temporaryDirectory, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { loadSettings } from './load-settings.js';
import { openMqttAccess } from './mqtt-access-source.js';

const rule = (topic: string) => `[[rule]]\nroles = ["device"]\npublish = ["${topic}"]\n`;

const gatewayText = 'device.id = "gw-1"\n';

async function openSite(rules: string | undefined, settings = gatewayText) {
  const directory = temporaryDirectory();
  const path = directory.file('access.toml');
  if (rules !== undefined) await writeFile(path, rules);
  await writeFile(directory.file('tedge.toml'), settings);
  await writeFile(directory.file('sallyport.toml'), `mqtt.access.rules_path = "${path}"\n`);
  const reads = { failed: 0 };
  const readSettings = async () => {
    try {
      return (await loadSettings({ configDir: directory.path, env: {}, cwd: '/' })).settings;
    } catch (error) {
      reads.failed += 1;
      throw error;
    }
  };
  const loaded = await readSettings();
  const told: string[] = [];
  const open = (quietMs = 20) =>
    openMqttAccess(loaded, {
      readSettings,
      pollMs: 20,
      quietMs,
      prefixPollMs: 20,
      onChange: (count) => void told.push(`${count} rules`),
      onFault: ({ message }) => void told.push(message),
    });
  const giveMapper = async (name: string, text: string): Promise<void> => {
    await mkdir(directory.file(`mappers/${name}`), { recursive: true });
    await writeFile(directory.file(`mappers/${name}/mapper.toml`), text);
  };
  return { directory, path, told, reads, open, giveMapper };
}

describe('the access table of a site', () => {
  it('has the topic root, the prefixes of the clouds and the id of the gateway from the settings', async () => {
    const text = 'mqtt.topic_root = "plant"\nc8y.bridge.topic_prefix = "cloud"\ndevice.id = "gw-1"\n';
    const site = await openSite('', text);
    await using _ = { [Symbol.asyncDispose]: () => site.directory.remove() };
    const { access, stop } = await site.open();
    stop();
    const gateway = access.partyOf({ deviceId: deviceId.parse('gw-1'), kind: 'device' });
    const topics = ['plant/x', 'cloud/s/us', 'az/x', 'te/x', 'c8y/s/us'];
    expect(topics.filter((topic) => access.mayPublish(gateway, topic))).toEqual(['plant/x', 'cloud/s/us', 'az/x']);
  });

  it('has the prefixes of profiles and of user-defined mappers, and gives a device none of them', async () => {
    const site = await openSite('', `${gatewayText}[c8y.profiles.two]\nbridge.topic_prefix = "c8y-two"\n`);
    await using _ = { [Symbol.asyncDispose]: () => site.directory.remove() };
    await site.giveMapper('plant', 'url = "broker.example"\n');
    await site.giveMapper('hall', 'url = "broker.example"\nbridge.topic_prefix = "up"\n');
    await site.giveMapper('broken', 'url = \n');
    await site.giveMapper('c8y.two', 'bridge.topic_prefix = "no"\n');
    const { access, stop } = await site.open();
    const topics = ['c8y-two/s/us', 'plant/x', 'up/x', 'broken/x', 'hall/x', 'no/x'];
    const allowed = (id: string) => {
      const party = access.partyOf({ deviceId: deviceId.parse(id), kind: 'device' });
      return topics.filter((topic) => access.mayPublish(party, topic) || access.mayReceive(party, topic));
    };
    expect(allowed('gw-1')).toEqual(['c8y-two/s/us', 'plant/x', 'up/x', 'broken/x']);
    expect(allowed('child01')).toEqual([]);
    await site.giveMapper('hall', 'url = "broker.example"\n');
    await waitFor(() => allowed('gw-1').includes('hall/x'));
    stop();
  });

  it('has the prefix of a profile that is set while it is in use, and outlasts settings that cannot be read', async () => {
    const site = await openSite('', gatewayText);
    await using _ = { [Symbol.asyncDispose]: () => site.directory.remove() };
    const { access, stop } = await site.open();
    const gateway = access.partyOf({ deviceId: deviceId.parse('gw-1'), kind: 'device' });
    const isOpen = () => access.mayReceive(gateway, 'c8y-two/s/dat');
    expect(isOpen()).toBe(false);
    await writeFile(site.directory.file('tedge.toml'), 'nonsense');
    await waitFor(() => site.reads.failed > 0);
    await waitFor(() => site.reads.failed > 0);
    const profile = `${gatewayText}[c8y.profiles.two]\nbridge.topic_prefix = "c8y-two"\n`;
    await writeFile(site.directory.file('tedge.toml'), profile);
    await waitFor(isOpen);
    stop();
  });

  it('follows the file of its rules, and keeps those from before when the file becomes invalid', async () => {
    const site = await openSite(rule('a'));
    await using _ = { [Symbol.asyncDispose]: () => site.directory.remove() };
    const { access, stop } = await site.open();
    const device = access.partyOf({ deviceId: deviceId.parse('child01'), kind: 'device' });
    const allowed = () => ['a', 'bb'].filter((topic) => access.mayPublish(device, topic));
    expect(allowed()).toEqual(['a']);
    await writeFile(`${site.path}.new`, rule('bb'));
    await rename(`${site.path}.new`, site.path);
    await waitFor(() => allowed()[0] === 'bb');
    await writeFile(site.path, 'nonsense');
    await waitFor(() => site.told.some((line) => line.includes('access.toml is not valid TOML at line 1')));
    expect(allowed()).toEqual(['bb']);
    stop();
  });

  it('keeps its rules while an editor has emptied their file and not written it yet', async () => {
    const site = await openSite(rule('a'));
    await using _ = { [Symbol.asyncDispose]: () => site.directory.remove() };
    const { access, stop } = await site.open(400);
    const device = access.partyOf({ deviceId: deviceId.parse('child01'), kind: 'device' });
    const emptied = Promise.withResolvers<void>();
    watchFile(site.path, { persistent: false, interval: 20 }, () => emptied.resolve());
    await writeFile(site.path, '');
    await emptied.promise;
    await writeFile(site.path, rule('bb'));
    await waitFor(() => access.mayPublish(device, 'bb'));
    expect(site.told).toEqual(['1 rules']);
    stop();
    unwatchFile(site.path);
  });

  it('is not made when the file is missing', async () => {
    const site = await openSite(undefined);
    await using _ = { [Symbol.asyncDispose]: () => site.directory.remove() };
    await expect(site.open()).rejects.toThrow(/mqtt.access.rules_path: the file .* cannot be read/);
  });
});
