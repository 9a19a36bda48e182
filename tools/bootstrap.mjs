// Prepares a fresh clone, so that its own tools can run. Uses Node built-ins only: nothing is installed yet.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, utimesSync } from 'node:fs';
import { constants, totalmem } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
const bin = join(root, 'node_modules', '.bin');
const oldestRuntime = 24;
const installMegabytes = 870;

// MQTT.js still calls url.parse, so we silence that warning. The other two flags save memory on a gateway: 15 to 20 MB
// while a 1 GiB file is transferred. --optimize-for-size makes small requests slower, so services with their own process
// do not use it. Source maps would need another 120 MB. Bundles keep the names of functions, so stacks are readable
// without source maps.
export const runtimeFlags = ['--disable-warning=DEP0169', '--max-semi-space-size=4', '--optimize-for-size'];

// Durable uploads wait for fsync in the thread pool, so it needs more than 4 threads. Without the other limit, glibc gives
// most threads a separate heap: 4 to 5 MB in all.
export const runtimeEnvironment = { UV_THREADPOOL_SIZE: '16', MALLOC_ARENA_MAX: '2' };

/** V8 keeps compiled code here. A program starts a fifth faster when it is there, and needs less memory. */
export const compileCache = join(root, 'node_modules', '.cache', 'sallyport');

/**
 * Installs the locked dependencies when they are missing or older than the lock file.
 *
 * @param folder of the clone
 * @param install resolves nothing; ends this process when it fails
 */
export function ensureInstalled(folder = root, install = npmCi) {
  const lock = join(folder, 'package-lock.json');
  const installed = join(folder, 'node_modules', '.package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  install(folder);
}

function npmCi(folder) {
  console.error('Installing dependencies (npm ci) …');
  // None of our packages needs an install script. Not running them removes one way to attack us.
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath;
  const [command, full] = npm ? [process.execPath, [npm, ...args]] : ['npm', args];
  const result = spawnSync(command, full, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] });
  if (result.status !== 0) fail(installFault(result));
}

/** Says why `npm ci` has ended, from its result: `status`, or the `signal` that killed it. */
export function installFault({ status, signal }, totalMegabytes = Math.round(totalmem() / 1024 ** 2)) {
  // The kernel ends the program that takes the most memory with SIGKILL. A shell in between makes 137 of that.
  if (signal === 'SIGKILL' || status === 128 + constants.signals.SIGKILL)
    return `npm ci was killed: out of memory. It needs ${installMegabytes} MB, and this machine has ${totalMegabytes} MB in all. Add swap space, or install on a larger machine and copy the folder. Then run this again.`;
  if (signal) return `npm ci was ended by ${signal}. Run this again.`;
  return 'npm ci failed; its own words are above. Check the network and the disk, then run this again.';
}

const thisProcess = { version: process.versions.node, execPath: process.execPath, hasFile: existsSync, fail };

/** The Node that runs Sallyport: this one if it is new enough, otherwise the one installed as a dependency. */
export function runtime(machine = thisProcess) {
  if (Number(machine.version.split('.')[0]) >= oldestRuntime) return machine.execPath;
  const packaged = join(bin, 'node');
  if (machine.hasFile(packaged)) return packaged;
  return machine.fail(
    `Sallyport runs on Node ${oldestRuntime} or newer; this is ${machine.version}, and no packaged Node exists for ${process.platform}-${process.arch}. Install Node ${oldestRuntime}.`,
  );
}

/**
 * True when every bundle is newer than all of its possible sources. Nx would be exact, but it takes seconds.
 *
 * @param bundles relative to the folder
 */
export function isBuilt(bundles, folder = root) {
  if (!bundles.every((bundle) => existsSync(join(folder, bundle)))) return false;
  const oldest = Math.min(...bundles.map((bundle) => statSync(join(folder, bundle)).mtimeMs));
  return sourcesIn(folder).every((path) => statSync(path).mtimeMs < oldest);
}

/** Gives the bundles the present time after a build, because Nx does not touch them when nothing has changed. */
export function markBuilt(bundles, folder = root) {
  const now = new Date();
  for (const bundle of bundles) utimesSync(join(folder, bundle), now, now);
}

function sourcesIn(folder) {
  const folders = ['apps', 'libs'].flatMap((top) => readdirSync(join(folder, top)).map((name) => join(top, name)));
  // After a change of branch, the folder of a project can remain with files that Git ignores.
  const projects = folders.filter((project) => existsSync(join(folder, project, 'package.json')));
  const shared = ['package-lock.json', 'rolldown.config.mjs', 'tsconfig.base.json'];
  return [
    ...shared.map((name) => join(folder, name)),
    ...projects.map((project) => join(folder, project, 'package.json')),
    ...projects.flatMap((project) => entriesBelow(join(folder, project, 'src'))),
  ];
}

/** Files and folders. A removed file changes the modification time of its folder. */
function entriesBelow(folder) {
  return [folder, ...readdirSync(folder, { recursive: true }).map((name) => join(folder, name))];
}

/** Environment in which the tools and the Node of the workspace come first in PATH. */
export function toolEnvironment(extra = {}) {
  const path = `${bin}${delimiter}${process.env.PATH ?? ''}`;
  return { ...process.env, PATH: path, NX_DAEMON: 'false', NX_TUI: 'false', ...extra };
}

/** Runs a tool of the workspace and waits for its end. If it fails, this process ends with the same exit code. */
export function run(command, args, { env = {}, quiet = false, cwd = root } = {}) {
  const options = { cwd, env: toolEnvironment(env), encoding: 'utf8' };
  const result = spawnSync(join(bin, command), args, {
    ...options,
    stdio: quiet ? 'pipe' : ['ignore', 'inherit', 'inherit'],
  });
  if (result.status === 0) return;
  if (quiet) console.error(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  fail(`${command} ${args.join(' ')} failed.`, result.status ?? 1);
}

/** Runs one of our programs in the foreground. It gets our signals, and we end with its exit code. */
export function replaceBy(script, args, { env = {}, nodeArgs = [] } = {}) {
  const child = spawn(runtime(), [...nodeArgs, script, ...args], { env: toolEnvironment(env), stdio: 'inherit' });
  // The terminal sends Ctrl-C to the child too. A signal that only this process gets is passed on.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  const watch = process.env.npm_lifecycle_event === undefined ? undefined : whenOrphaned(() => child.kill('SIGTERM'));
  child.on('exit', (code, signal) => {
    clearInterval(watch);
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1);
  });
}

/** A signal to npm ends npm and its shell, but does not reach us. Without this we would continue to run. */
function whenOrphaned(act) {
  const parent = process.ppid;
  return setInterval(() => {
    if (process.ppid !== parent) act();
  }, 250);
}

export function fail(message, code = 1) {
  console.error(message);
  process.exit(code);
}
