// A minimal Debian in a folder, made with debootstrap from the package sources of this machine.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { aptMirrors, aptNetworkSettings } from './apt-sources.mjs';

const attempts = 3;
// For all attempts together. A mirror that accepts connections but never answers cannot delay CI for longer.
const bootstrapDeadlineMs = 900_000;
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const caFile = '/etc/of-this-machine.pem';

// It runs in its own namespaces, so all mounts and processes end with it. chroot alone is not enough: there the kernel
// allows no user namespaces, and the tests need them.
const enter = `
set -e
root=$1; shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mkdir -p "$root/dev/shm" "$root/.outside"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
cd "$root"
pivot_root . .outside
umount -l /.outside
rmdir /.outside
"$@"
`;

/** The machine in the folder. Programs start in it with the environment of a new login. */
export class DebianRoot {
  #children = new Set();

  /** @param folder of the machine; removed together with it */
  constructor(folder) {
    this.folder = folder;
  }

  /**
   * @param packages to install beside the minimal system
   * @param report takes a line of text
   * @throws Error when it could not be made in three attempts
   */
  static make({ packages, report }) {
    const root = new DebianRoot(mkdtempSync(join(process.env.TMPDIR ?? '/var/tmp', 'sallyport-bare-root-')));
    try {
      root.#bootstrap(packages, report);
      root.#connect();
      return root;
    } catch (error) {
      root.remove();
      throw error;
    }
  }

  #bootstrap(packages, report) {
    const mirrors = aptMirrors();
    const [{ release, uri }] = mirrors;
    const args = ['--variant=minbase', `--include=${packages.join(',')}`, release, this.folder, uri];
    const apart = ['--mount', '--pid', '--fork', '--mount-proc', '--kill-child'];
    const endsAt = performance.now() + bootstrapDeadlineMs;
    for (let attempt = 1; attempt <= attempts; attempt++) {
      report(`making a bare Debian ${release} (debootstrap), attempt ${attempt}`);
      // Mounts and processes of debootstrap end with it. Kill it: after SIGTERM it would first wait for wget.
      const { status, signal, stdout } = spawnSync('unshare', [...apart, 'debootstrap', ...args], {
        stdio: ['ignore', 'pipe', 'inherit'],
        encoding: 'utf8',
        killSignal: 'SIGKILL',
        timeout: Math.max(1, Math.round(endsAt - performance.now())),
      });
      if (status === 0) return writeSources(this.file('/etc/apt'), mirrors);
      if (signal === 'SIGINT' || status === 130) throw new Error('debootstrap was interrupted.');
      report(stdout.split('\n').slice(-5).join('\n'));
      if (performance.now() >= endsAt)
        throw new Error(`debootstrap took longer than ${bootstrapDeadlineMs / 60_000} minutes. Does ${uri} answer?`);
      this.#empty();
    }
    throw new Error(`debootstrap failed ${attempts} times; its own words are above.`);
  }

  #empty() {
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(this.folder);
  }

  /** Copies the host names and certificates that it needs to use the same network as this machine. */
  #connect() {
    chmodSync(this.folder, 0o755);
    for (const name of ['/etc/resolv.conf', '/etc/hosts']) cpSync(name, this.file(name), { dereference: true });
    const own = [npmConfig('cafile'), process.env.NODE_EXTRA_CA_CERTS].filter((name) => name);
    writeFileSync(this.file(caFile), own.map((name) => readFileSync(name, 'utf8')).join('\n'));
    this.environment = { PATH: path, ...networkEnvironment(own.length > 0) };
  }

  /** The path of one of its files, as seen from outside. */
  file(name) {
    return join(this.folder, name);
  }

  /**
   * Starts a program in it.
   *
   * @param command program and arguments
   * @returns the child process; a signal to its group is what Ctrl-C is in a terminal
   */
  spawn(command, { user = 'root', cwd = '/' } = {}) {
    const home = user === 'root' ? '/root' : `/home/${user}`;
    const inside = ['sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', cwd, ...command];
    const asUser = user === 'root' ? inside : ['runuser', '-u', user, '--', ...inside];
    const namespaces = ['--mount', '--pid', '--fork', '--kill-child'];
    const child = spawn('unshare', [...namespaces, 'sh', '-c', enter, 'sh', this.folder, ...asUser], {
      env: { ...this.environment, HOME: home, USER: user },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /** Ends all its processes, and deletes it. */
  remove() {
    for (const { pid } of this.#children) process.kill(-pid, 'SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function writeSources(apt, mirrors) {
  const lines = mirrors.map(({ uri, release }) => `deb ${uri} ${release} main\n`);
  writeFileSync(join(apt, 'sources.list'), lines.join(''));
  writeFileSync(
    join(apt, 'apt.conf.d/90of-this-machine'),
    [...aptNetworkSettings(), `Acquire::https::CaInfo "${caFile}";`, ''].join('\n'),
  );
}

/** The network settings of npm and Node on this machine. */
function networkEnvironment(hasOwnCa) {
  const ca = hasOwnCa ? { NODE_EXTRA_CA_CERTS: caFile, npm_config_cafile: caFile } : {};
  const proxies = Object.entries(process.env).filter(([name]) => /^(https?|no)_proxy$/i.test(name));
  return {
    ...ca,
    ...Object.fromEntries(proxies),
    npm_config_registry: npmConfig('registry'),
    npm_config_fetch_retries: '5',
  };
}

function npmConfig(name) {
  const { stdout } = spawnSync('npm', ['config', 'get', name], { encoding: 'utf8' });
  const value = stdout.trim();
  return ['null', 'undefined'].includes(value) ? '' : value;
}
