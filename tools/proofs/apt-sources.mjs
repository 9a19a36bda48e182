// Where this machine gets its Debian packages from, and how.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * The Debian mirrors of this machine, that of the release itself first.
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

/** The release, its updates and its security updates, but no third party's that merely names it. */
function isOf(codename, release) {
  return codename !== undefined && [codename, `${codename}-updates`, `${codename}-security`].includes(release);
}

/** Lines of apt's configuration that say how packages are fetched: proxies, and what a mirror of old packages needs. */
export function aptNetworkSettings(machine = thisMachine) {
  const lines = machine.run('apt-config', ['dump', 'Acquire']).split('\n');
  return lines.filter((line) => /^Acquire::(Check-|Retries|(https?|ftp)::(Proxy|Timeout|Verify))/i.test(line));
}

const thisMachine = {
  osRelease: () => readFileSync('/etc/os-release', 'utf8'),
  run: (program, args) => spawnSync(program, args, { encoding: 'utf8' }).stdout ?? '',
};
