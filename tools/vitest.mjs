// Runs Vitest with the Node that Sallyport uses, and counts the results.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, runtime, toolEnvironment } from './bootstrap.mjs';
import { resultsVariable } from './results-reporter.mjs';

// If more files fail, the cause is not a busy machine.
const mostFilesAgain = 5;

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
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
  const results = join(directory, 'results.json');
  const [program, ...rest] = [...launcher, runtime(), '--disable-warning=DEP0169', ...vitest, ...args];
  try {
    const { status } = spawnSync(program, rest, {
      cwd: root,
      env: toolEnvironment({ UV_THREADPOOL_SIZE: '16', ...env, [resultsVariable]: results }),
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    return { isGood: status === 0, ...read(results) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
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
