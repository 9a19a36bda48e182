import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  describe as describeMissing,
  ensurePeers,
  mayLeaveOut,
  missingPeers,
  peers,
  withoutServices,
} from './peers.mjs';

/** A machine that has all files except those of some packages, until apt installs them. */
function machine({ lacks, isRoot = true, isDebian = true, aptWorksAt = 1 }) {
  const missing = new Set(peers.filter(({ name }) => lacks.includes(name)).map(({ proof }) => proof));
  const [commands, reports] = [[], []];
  let installs = 0;
  return {
    commands,
    reports,
    isRoot,
    hasFile: (path) =>
      path === '/usr/bin/apt-get'
        ? isDebian
        : ![...missing].some((proof) => path === proof || path.endsWith(`/${proof}`)),
    report: (text) => reports.push(text),
    withoutServices: (work) => work(),
    apt: (args) => {
      commands.push(args.join(' '));
      if (args[0] !== 'install') return true;
      installs += 1;
      if (installs < aptWorksAt) return false;
      missing.clear();
      return true;
    },
  };
}

describe('real peers of the tests', () => {
  it('touches nothing when they are all there', async () => {
    const complete = machine({ lacks: [] });
    expect(await ensurePeers(complete)).toEqual([]);
    expect([complete.commands, complete.reports]).toEqual([[], []]);
  });

  it('installs what is missing, without recommendations', async () => {
    const bare = machine({ lacks: ['mosquitto', 'redis-server'] });
    expect(await ensurePeers(bare)).toEqual([]);
    expect(bare.commands).toEqual(['install --yes --no-install-recommends mosquitto redis-server']);
  });

  it('renews the package lists when the installation fails, and tries again', async () => {
    const stale = machine({ lacks: ['nginx'], aptWorksAt: 2 });
    expect(await ensurePeers(stale)).toEqual([]);
    const install = 'install --yes --no-install-recommends nginx';
    expect(stale.commands).toEqual([install, 'update', install]);
  });

  it('gives up after three attempts and says what will fail', async () => {
    const offline = machine({ lacks: ['nginx'], aptWorksAt: 99 });
    expect((await ensurePeers(offline)).map(({ name }) => name)).toEqual(['nginx']);
    expect(offline.commands.filter((command) => command.startsWith('install'))).toHaveLength(3);
    expect(offline.reports.at(-1)).toContain('testkit, bench: file transfer beside a real server');
  });

  it.each([
    ['somebody else than root', { isRoot: false }],
    ['another system than Debian', { isDebian: false }],
  ])('only tells %s what is missing', async (_who, options) => {
    const other = machine({ lacks: ['mosquitto-clients'], ...options });
    expect((await ensurePeers(other)).map(({ name }) => name)).toEqual(['mosquitto-clients']);
    expect(other.commands).toEqual([]);
  });

  it('are one list of several: others are installed alike', async () => {
    const bare = machine({ lacks: [] });
    const hasFile = (path) => !path.endsWith('/faketime') || bare.commands.length > 0;
    const packages = [{ name: 'faketime', proof: 'faketime', tests: 'the proof' }];
    expect(await ensurePeers({ ...bare, hasFile }, packages)).toEqual([]);
    expect(bare.commands).toEqual(['install --yes --no-install-recommends faketime']);
  });

  it('finds programs outside the PATH of a user', () => {
    const found = missingPeers((path) => /^\/usr\/(?:sbin|lib|include)\//.test(path), '/usr/bin');
    expect(found).toEqual([]);
  });

  it.each([
    [{ isRoot: false }, {}, true],
    [{ isRoot: true }, {}, false],
    [{ isRoot: false }, { CI: 'true' }, false],
  ])('may be left out by a user who cannot install them: %j, %j', (who, environment, expected) => {
    expect(mayLeaveOut(who, environment)).toBe(expected);
  });

  it('gives the command that mends it', () => {
    const missing = peers.filter(({ name }) => name === 'mosquitto' || name === 'nginx');
    expect(describeMissing(missing)).toBe(
      [
        'These programs are missing, and the tests named beside them will fail:',
        '  mosquitto  mqtt: connection, reconnection and RPC on a real broker',
        '  nginx      testkit, bench: file transfer beside a real server',
        'As root: apt-get install --no-install-recommends mosquitto nginx',
      ].join('\n'),
    );
  });
});

describe('services of freshly installed packages', () => {
  let directory;
  let policy;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sallyport-policy-'));
    policy = join(directory, 'policy-rc.d');
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  it('are not started', () => {
    let during = '';
    withoutServices(() => {
      during = readFileSync(policy, 'utf8');
    }, policy);
    expect(during).toContain('exit 101');
  });

  it('leave no trace of it', () => {
    withoutServices(() => undefined, policy);
    expect(existsSync(policy)).toBe(false);
  });

  it('leave the policy of the machine as it was, even when the installation fails', () => {
    writeFileSync(policy, 'its own');
    const failing = () => {
      throw new Error('no network');
    };
    expect(() => withoutServices(failing, policy)).toThrow('no network');
    expect(readFileSync(policy, 'utf8')).toBe('its own');
  });

  it('get the policy of the machine back after a run that was killed', () => {
    writeFileSync(policy, 'its own');
    withoutServices(() => {
      // The state after a killed run: our policy is in place, and the policy of the machine is beside it.
      writeFileSync(join(directory, 'copy'), readFileSync(policy));
    }, policy);
    writeFileSync(`${policy}.before-sallyport`, 'its own');
    writeFileSync(policy, readFileSync(join(directory, 'copy')));
    withoutServices(() => undefined, policy);
    expect(readFileSync(policy, 'utf8')).toBe('its own');
  });
});
