// Runs Vitest with the Node that Sallyport uses, and counts the results.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileCache, root, runtime, toolEnvironment } from './bootstrap.mjs';
import { resultsVariable } from './results-reporter.mjs';

// If more files fail, the cause is not a busy machine.
const mostFilesAgain = 5;
/** Names the files that `vitest.config.ts` leaves out, relative to the clone and with ":" between them. */
export const leftOutVariable = 'SALLYPORT_LEFT_OUT';
const memory = '/dev/shm';
const leastFreeMemory = 4 * 1024 ** 3;

/**
 * Runs tests to their end and prints their report. A test sometimes fails only because the machine is busy. So a file
 * with a failure runs once more, complete, and without the other files. A real error fails again.
 *
 * @param args for Vitest, such as names of files
 * @param launcher program and arguments that start Node, for example under another clock
 * @returns `isGood`, what was counted: `passed`, `failed`, `skipped`, and `failures`, each with `where` and `error`
 * @throws Error when Vitest ended before it ran a test
 */
export function runVitest(args = [], options = {}) {
  return withSecondTry((files) => runOnce([...args, ...files], options));
}

/** @param attempt runs the given files, or all of them; returns the same as `runVitest`, and `failedFiles` */
export function withSecondTry(attempt, report = console.log) {
  const { failedFiles, ...first } = attempt([]);
  if (failedFiles.length === 0 || failedFiles.length > mostFilesAgain) return first;
  report(`\nFailed, and run once more: ${failedFiles.join(', ')}`);
  const again = attempt(failedFiles);
  if (again.isGood) report(`Passed at the second try: ${failedFiles.join(', ')}`);
  const { isGood, failed, failures } = again;
  return { isGood, passed: first.passed + first.failed - failed, failed, skipped: first.skipped, failures };
}

function runOnce(args, { launcher = [], env = {} }) {
  const directory = temporaryDirectory();
  const results = join(directory, 'results.json');
  // Ctrl-C ends Vitest; we stay for its files.
  const stay = () => undefined;
  process.on('SIGINT', stay);
  const [program, ...rest] = [...launcher, runtime(), '--disable-warning=DEP0169', ...vitest, ...args];
  try {
    const { status } = spawnSync(program, rest, {
      cwd: root,
      env: toolEnvironment({ ...testEnvironment(directory), ...env, [resultsVariable]: results }),
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    return { isGood: status === 0, ...read(results) };
  } finally {
    process.off('SIGINT', stay);
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * Where the tests have their files. Our services wait for the disk at every write that must not be lost, and in tests
 * that is half of the time. Nothing waits for files in memory, and they survive the end of a process as others do.
 */
function temporaryDirectory() {
  const parent = isRoomy(memory) ? memory : tmpdir();
  // Short, because the path of a socket has at most 107 bytes.
  const directory = mkdtempSync(join(parent, 't-'));
  // Some tests run a program as another user.
  chmodSync(directory, 0o755);
  return directory;
}

/** Some machines have a small one, or one whose programs cannot run. */
function isRoomy(folder) {
  if (!existsSync(folder) || freemem() < leastFreeMemory) return false;
  const { bavail, bsize } = statfsSync(folder);
  const [, options = ''] =
    new RegExp(`^\\S+ ${folder} tmpfs (\\S+)`, 'm').exec(readFileSync('/proc/mounts', 'utf8')) ?? [];
  return bavail * bsize >= leastFreeMemory && /\brw\b/.test(options) && !/\bnoexec\b/.test(options);
}

function testEnvironment(directory) {
  return { UV_THREADPOOL_SIZE: '16', TMPDIR: directory, NODE_COMPILE_CACHE: compileCache };
}

const vitest = [
  join(root, 'node_modules/vitest/vitest.mjs'),
  'run',
  '--root=.',
  '--reporter=default',
  `--reporter=${join(root, 'tools/results-reporter.mjs')}`,
];

function read(results) {
  try {
    return JSON.parse(readFileSync(results, 'utf8'));
  } catch (cause) {
    throw new Error('Vitest left no results: it did not get as far as running a test.', { cause });
  }
}
