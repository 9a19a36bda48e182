import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type TemporaryDirectory, temporaryDirectory } from '@sallyport/testkit';

export interface SandboxOptions {
  /** The output of `hostname`, and a name in `/etc/hosts`. */
  readonly hostname: string;
  /** IPv4 address of that name; it exists only inside the sandbox. Default 127.0.0.1. */
  readonly address?: string;
  /**
   * A machine on the same local network. Each reaches the other by address and by name. Both need different addresses.
   */
  readonly neighbour?: Sandbox;
  /** Directory where the commands start; it is made when it is missing. Default: an empty home directory. */
  readonly workingDirectory?: string;
  /** Programs by name. Each value is the text of a shell script: `tedge` as `exec node …/main.js "$@"`. */
  readonly programs?: Readonly<Record<string, string>>;
  /** Called for `systemctl restart UNIT`. The command waits for the promise, and fails when the promise is rejected. */
  readonly onRestart?: (unit: string) => Promise<void>;
}

export interface BlockResult {
  readonly stdout: string;
  readonly stderr: string;
  /** Every command with an exit status other than 0: `22: curl …`. Empty means that all succeeded. */
  readonly failures: readonly string[];
}

/** Name and IPv4 address of a machine. */
interface Host {
  readonly name: string;
  readonly address: string;
}

const loopback = '127.0.0.1';
const shell = ['bash', '--noprofile', '--norc', '-s'];
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * A separate machine for the commands of a document, so that they run exactly as printed. It has its own host name and
 * network, copies of `/etc` and of the folders in `/var`, no file in `/tmp`, an empty `/run` and no local CA
 * certificates. It shares everything else. It uses Linux namespaces, so it needs root, or a kernel that allows user
 * namespaces.
 *
 * @example
 * ```ts
 * await using sandbox = await Sandbox.open({ hostname: 'rpi4', programs: { tedge: 'exec node cli.js "$@"' } });
 * expect(await sandbox.run('sudo tedge config set device.id x')).toMatchObject({ failures: [] });
 * ```
 */
export class Sandbox implements AsyncDisposable {
  private readonly programs = new Set<ChildProcess>();
  private blocks = 0;
  private reports: string[] = [];
  private wake: () => void = () => undefined;

  private constructor(
    private readonly directory: TemporaryDirectory,
    private readonly shell: ChildProcess,
    private readonly helper: Server,
    private readonly host: Host,
  ) {
    const [, , , report] = shell.stdio;
    if (report !== null && report !== undefined && 'read' in report)
      createInterface({ input: report }).on('line', (line) => {
        this.reports.push(line);
        this.wake();
      });
    for (const event of ['close', 'error'])
      shell.once(event, (reason: unknown) => {
        if (reason instanceof Error) this.reports.push(reason.message);
        this.wake();
      });
  }

  /** @throws Error with the message of the system, when it does not allow namespaces */
  static async open(options: SandboxOptions): Promise<Sandbox> {
    const directory = temporaryDirectory('sallyport-sandbox-');
    const helper = await startHelper(directory.file('helper.sock'), options.onRestart);
    try {
      await writePrograms(directory, options.programs ?? {});
      await writeFile(directory.file('set-up.sh'), setUpScript(directory, options));
      const { hostname: name, address = loopback, neighbour } = options;
      const shell = startShell(directory, neighbour?.shell.pid);
      const sandbox = new Sandbox(directory, shell, helper, { name, address });
      await sandbox.report('ready');
      if (neighbour !== undefined) await neighbour.lay(sandbox);
      return sandbox;
    } catch (error) {
      helper.close();
      await directory.remove();
      throw error;
    }
  }

  /**
   * Runs commands in the only shell of the sandbox, so variables and working directory stay for the next block. When a
   * command fails, the next ones still run, as in a terminal.
   *
   * @param deadlineMs for the whole block, in milliseconds
   */
  async run(commands: string, { deadlineMs = 60_000 } = {}): Promise<BlockResult> {
    this.blocks += 1;
    const file = (suffix: string) => this.directory.file(`block-${this.blocks}.${suffix}`);
    await writeFile(file('sh'), commands);
    const [script, stdout, stderr] = [file('sh'), file('out'), file('err')];
    this.shell.stdin?.write(`. ${script} >${stdout} 2>${stderr} </dev/null; echo "done ${this.blocks}" >&3\n`);
    const lines = await this.report(`done ${this.blocks}`, deadlineMs);
    return {
      stdout: await readFile(stdout, 'utf8'),
      stderr: await readFile(stderr, 'utf8'),
      // The status of the whole block is that of its last command, which is already in the list.
      failures: lines.map((line) => line.replace(/^failed /, '')).filter((line) => !line.includes(`: . ${script}`)),
    };
  }

  /** Starts a program beside the commands. It has the same files, host names and ports. */
  spawn(program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const user = isRoot() ? [] : ['--user', '--preserve-credentials'];
    const namespaces = ['--target', String(this.shell.pid), ...user, '--mount', '--net', '--uts'];
    const child = spawn('nsenter', [...namespaces, '--', program, ...args], {
      env: environment(this.directory),
      ...options,
    });
    this.programs.add(child);
    return child;
  }

  /** Connects two machines with a virtual cable. */
  private async lay(other: Sandbox): Promise<void> {
    const [here, there] = [`to-${other.shell.pid}`, `to-${this.shell.pid}`];
    await this.mustRun(`ip link add ${here} type veth peer name ${there} netns ${other.shell.pid}`);
    await this.plug(here, other.host);
    await other.plug(there, this.host);
  }

  /** Configures one end of a cable: traffic to that host goes through it. */
  private plug(end: string, to: Host): Promise<void> {
    const route = `ip route add ${to.address}/32 dev ${end} src ${this.host.address}`;
    return this.mustRun(`ip link set ${end} up\n${route}\necho '${to.address} ${to.name}' >>/etc/hosts`);
  }

  private async mustRun(commands: string): Promise<void> {
    const { failures, stderr } = await this.run(commands);
    if (failures.length > 0) throw new Error(`${failures.join('\n')}\n${stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.helper.close();
    for (const program of this.programs) await end(program, program.pid);
    // The shell leads a process group, so programs that a block left running end with it.
    await end(this.shell, this.shell.pid && -this.shell.pid);
    await this.directory.remove();
  }

  /** Waits for a line in the report of the shell; returns the lines before it. */
  private async report(wanted: string, deadlineMs = 10_000): Promise<string[]> {
    const endsAt = performance.now() + deadlineMs;
    for (;;) {
      const index = this.reports.indexOf(wanted);
      if (index >= 0) return this.reports.splice(0, index + 1).slice(0, -1);
      const leftMs = endsAt - performance.now();
      const hasEnded = this.shell.exitCode !== null || this.shell.pid === undefined;
      if (leftMs <= 0 || hasEnded) throw new Error(await this.describeFault(wanted));
      await this.nextReport(leftMs);
    }
  }

  private nextReport(leftMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, leftMs);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private async describeFault(wanted: string): Promise<string> {
    const said = await readFile(this.directory.file('shell.log'), 'utf8');
    const { exitCode, pid } = this.shell;
    const state =
      exitCode === null ? (pid === undefined ? 'did not start' : 'is still busy') : `ended with ${exitCode}`;
    return `The sandbox did not report "${wanted}": its shell ${state}. ${[...this.reports, said].join('\n')}`;
  }
}

async function end(child: ChildProcess, target: number | undefined): Promise<void> {
  if (target === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  process.kill(target, 'SIGKILL');
  await ended;
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Takes nothing from the environment of the developer: no proxy, no configuration directory, no locale. */
function environment(directory: TemporaryDirectory): NodeJS.ProcessEnv {
  return { PATH: `${directory.file('bin')}:${path}`, HOME: directory.file('home'), LANG: 'C.UTF-8' };
}

function startShell(directory: TemporaryDirectory, neighbourPid: number | undefined): ChildProcess {
  const [program = '', ...args] = [...unsharing(neighbourPid), ...'--mount --net --uts'.split(' '), ...shell];
  // The log gets what the system says when it allows no namespaces.
  const log = openSync(directory.file('shell.log'), 'a');
  const stdio: SpawnOptions['stdio'] = ['pipe', 'ignore', log, 'pipe'];
  const child = spawn(program, args, { env: environment(directory), stdio, detached: true });
  closeSync(log);
  child.stdin?.on('error', () => child.stdin?.destroy());
  child.stdin?.write(`exec >>${directory.file('shell.log')} 2>&1; . ${directory.file('set-up.sh')}\n`);
  return child;
}

/** Root needs no user namespace; other users do. Neighbours share one, because a cable cannot connect two of them. */
function unsharing(neighbourPid: number | undefined): string[] {
  if (isRoot()) return ['unshare'];
  if (neighbourPid === undefined) return ['unshare', '--user', '--map-root-user'];
  return ['nsenter', '--target', String(neighbourPid), '--user', '--preserve-credentials', '--', 'unshare'];
}

// In a user namespace the files of an overlay still belong to root. So /etc is copied, without files that only root may
// read, and /var is a new directory with all directories of the old one except ours. /tmp keeps only what we need,
// because a file with a name from the document may belong to another user.
const privateFolders = `
private() { mkdir "$1" && mount -t tmpfs -o mode=755 tmpfs "$1"; }
private "$base/etc" && { cp -R --no-dereference --preserve=mode /etc/. "$base/etc" 2>/dev/null || true; } && mount --rbind "$base/etc" /etc
private "$base/var"
for entry in /var/*; do
  if [ -L "$entry" ]; then cp --no-dereference "$entry" "$base/var"
  elif [ -d "$entry" ] && [ "$entry" != /var/tedge ]; then mkdir "$base$entry" && mount --rbind "$entry" "$base$entry"
  fi
done
mount --rbind "$base/var" /var
private "$base/tmp" && chmod 1777 "$base/tmp"
for entry in "$@"; do mkdir "$base$entry" && mount --rbind "$entry" "$base$entry"; done
mount --rbind "$base/tmp" /tmp
for folder in /run /usr/local/share/ca-certificates; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done`;

function setUpScript(directory: TemporaryDirectory, options: SandboxOptions): string {
  const { hostname, address = loopback, workingDirectory = directory.file('home') } = options;
  return [
    'set -e',
    `base=${directory.path}`,
    `set -- ${neededOfTmp(directory)}`,
    privateFolders,
    'ip link set lo up',
    ...(address === loopback ? [] : [`ip address add ${address}/32 dev lo`]),
    `hostname ${hostname}`,
    `printf '127.0.0.1 localhost\\n::1 localhost\\n${address} ${hostname}\\n' >/etc/hosts`,
    `mkdir -p "$HOME" ${workingDirectory} && cd ${workingDirectory}`,
    'set +e',
    'set -o errtrace',
    `trap 'echo "failed $?: \${BASH_COMMAND//$'"'\\n'"'/ }" >&3' ERR`,
    'echo ready >&3',
    '',
  ].join('\n');
}

/** The entries of /tmp that contain the sandbox, Node and the clone, quoted for the shell. */
function neededOfTmp(directory: TemporaryDirectory): string {
  const paths = [directory.path, process.execPath, fileURLToPath(import.meta.url)];
  const entries = paths.flatMap((path) => /^\/tmp\/[^/]+/.exec(path) ?? []);
  return [...new Set(entries)].map((entry) => `'${entry.replaceAll("'", "'\\''")}'`).join(' ');
}

async function writePrograms(directory: TemporaryDirectory, programs: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(directory.file('bin'));
  const helper = `curl --silent --show-error --fail-with-body --unix-socket ${directory.file('helper.sock')} --data ''`;
  const all = {
    // The user that runs the sandbox is root inside it.
    sudo: 'exec "$@"',
    systemctl: `[ "$1" = restart ] || { echo "systemctl $1 is not known here" >&2; exit 1; }\nexec ${helper} "http://helper/restart/$2"`,
    ...programs,
  };
  for (const [name, script] of Object.entries(all))
    await writeFile(directory.file('bin', name), `#!/bin/bash\n${script}\n`, { mode: 0o755 });
}

/** Lets commands in the sandbox call the test outside, over a socket that both can reach. */
async function startHelper(socketPath: string, onRestart: SandboxOptions['onRestart']): Promise<Server> {
  const helper = createServer((request, response) => {
    const unit = decodeURIComponent((request.url ?? '').replace('/restart/', ''));
    const restart = onRestart ?? (() => Promise.reject(new Error(`nothing restarts ${unit} here`)));
    request.resume();
    restart(unit).then(
      () => response.end(),
      (error: unknown) => response.writeHead(500).end(`${error instanceof Error ? error.message : String(error)}\n`),
    );
  });
  helper.listen(socketPath);
  await once(helper, 'listening');
  return helper;
}
