// The sources of Debian packages of this machine, and the settings for fetching them.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * The Debian mirrors of this machine. The mirror of the release itself is the first.
 *
 * @returns `uri` and `release` (`bookworm`, `bookworm-security`) of each
 * @throws Error when this machine has none
 */
export function aptMirrors(machine = thisMachine) {
  const [, codename] = /^VERSION_CODENAME=(\S+)$/m.exec(machine.osRelease()) ?? [];
  const format = ['--format', '$(REPO_URI) $(RELEASE) $(COMPONENT)', 'Created-By: Packages'];
  const targets = machine.run('apt-get', ['indextargets', ...format]).split('\n');
  const mirrors = targets
    .map((line) => line.split(' '))
    .filter(([, release, component]) => isOf(codename, release) && component === 'main')
    .map(([uri, release]) => ({ uri, release }))
    .toSorted((a, b) => a.release.length - b.release.length);
  if (mirrors[0]?.release !== codename)
    throw new Error(`apt knows no mirror of "${codename} main" here. Add one to /etc/apt/sources.list.`);
  return mirrors;
}

/** True for the release, its updates and its security updates. False for repositories that only contain its name. */
function isOf(codename, release) {
  return codename !== undefined && [codename, `${codename}-updates`, `${codename}-security`].includes(release);
}

/** The lines of the apt configuration that fetching depends on: proxies, and settings for a mirror of old packages. */
export function aptNetworkSettings(machine = thisMachine) {
  const lines = machine.run('apt-config', ['dump', 'Acquire']).split('\n');
  return lines.filter((line) => /^Acquire::(Check-|Retries|(https?|ftp)::(Proxy|Timeout|Verify))/i.test(line));
}

const thisMachine = {
  osRelease: () => readFileSync('/etc/os-release', 'utf8'),
  run: (program, args) => spawnSync(program, args, { encoding: 'utf8' }).stdout ?? '',
};
