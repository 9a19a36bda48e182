import { writeFile } from 'node:fs/promises';
import { loadSettings } from '@sallyport/config';
import { type TemporaryDirectory, temporaryDirectory } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SettingsInUse } from './settings-in-use.js';

describe('settings in use', () => {
  let directory: TemporaryDirectory;
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());

  async function load(...lines: string[]) {
    await writeFile(directory.file('tedge.toml'), [...lines, ''].join('\n'));
    return (await loadSettings({ configDir: directory.path, env: {}, cwd: directory.path })).settings;
  }

  it('are outdated by settings in which another value stands for one that was read', async () => {
    const inUse = new SettingsInUse();
    const settings = inUse.follow(await load('mqtt.client.port = 1'));
    expect(settings.require('mqtt.client.port')).toBe(1);
    expect(settings.get('mqtt.client.auth.username')).toBeUndefined();
    expect(settings.dataDirectory).toBe(directory.file('data'));
    const changed = await load('mqtt.client.port = 2', 'mqtt.client.auth.username = "x"', 'data.path = "/d"');
    const outdated = ['data.path', 'mqtt.client.auth.username', 'mqtt.client.port'];
    expect(inUse.outdatedBy(changed)).toEqual(outdated);
    expect(inUse.outdatedBy(inUse.follow(changed))).toEqual(outdated);
    expect(inUse.outdatedBy(changed)).toEqual(outdated);
  });

  it('are not outdated by a change of what nobody has read, or by the same values', async () => {
    const inUse = new SettingsInUse();
    inUse.follow(await load('pki.hostnames = ["a"]')).get('pki.hostnames');
    expect(inUse.outdatedBy(await load('pki.hostnames = ["a"]', 'http.bind.port = 1'))).toEqual([]);
  });

  it('are up to date again once the new value has been read', async () => {
    const inUse = new SettingsInUse();
    inUse.follow(await load('http.bind.port = 1')).get('http.bind.port');
    const changed = await load('http.bind.port = 2');
    inUse.follow(changed).get('http.bind.port');
    expect(inUse.outdatedBy(changed)).toEqual([]);
  });

  it('are not up to date because somebody has looked at what a reload would bring', async () => {
    const inUse = new SettingsInUse();
    inUse.follow(await load('http.bind.port = 1')).get('http.bind.port');
    const changed = await load('http.bind.port = 2');
    const preview = inUse.copy();
    preview.follow(changed).get('http.bind.port');
    expect([preview.outdatedBy(changed), inUse.outdatedBy(changed)]).toEqual([[], ['http.bind.port']]);
  });

  it('stay outdated where the first value is used until a restart', async () => {
    const inUse = new SettingsInUse();
    const { dataDirectory } = inUse.follow(await load());
    const changed = inUse.follow(await load('data.path = "/d"'));
    expect([dataDirectory, changed.dataDirectory]).toEqual([directory.file('data'), '/d']);
    expect(inUse.outdatedBy(changed)).toEqual(['data.path']);
  });

  it('are outdated by another value in one of the profiles that were read', async () => {
    const inUse = new SettingsInUse();
    const settings = inUse.follow(await load('c8y.profiles.a.url = "a.example"', 'c8y.profiles.b.url = "b.example"'));
    for (const profile of ['a', 'b']) settings.ofProfile(profile).get('c8y.url');
    const changed = await load('c8y.profiles.a.url = "a.example"', 'c8y.profiles.b.url = "c.example"');
    expect(inUse.outdatedBy(changed)).toEqual(['c8y.profiles.b.url']);
    expect(inUse.outdatedBy(changed.ofProfile('a'))).toEqual(['c8y.profiles.b.url']);
    inUse.follow(changed).ofProfile('b').get('c8y.url');
    expect(inUse.outdatedBy(changed)).toEqual([]);
  });

  it('have one name for all profiles where they belong to no cloud', async () => {
    const inUse = new SettingsInUse();
    inUse
      .follow(await load('http.bind.port = 1', 'c8y.profiles.a.url = "a.example"'))
      .ofProfile('a')
      .get('http.bind.port');
    expect(inUse.outdatedBy(await load('http.bind.port = 2'))).toEqual(['http.bind.port']);
  });

  it('are not outdated in a profile that is gone', async () => {
    const inUse = new SettingsInUse();
    inUse
      .follow(await load('c8y.profiles.a.url = "a.example"'))
      .ofProfile('a')
      .get('c8y.url');
    expect(inUse.outdatedBy(await load('http.bind.port = 2'))).toEqual([]);
  });

  it('do not need a restart where they are read at each use', async () => {
    const inUse = new SettingsInUse();
    inUse.follow(await load('pki.url = "https://a:1"')).get('pki.url');
    expect(inUse.outdatedBy(await load('pki.url = "https://a:2"'))).toEqual([]);
  });
});
