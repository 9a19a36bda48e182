// Runs Vitest with the Node that Sallyport uses, and counts the results.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, runtime, toolEnvironment } from './bootstrap.mjs';

// If more files fail, the cause is not a busy machine.
const mostFilesAgain = 5;

/**
 * Runs tests to their end and prints their report. A test sometimes fails only because the machine is busy. So a file
 * with a failure runs once more, complete, and without the other files. A real error fails again.
 *
 * @param args for Vitest, such as names of files
 * @param launcher program and arguments that start Node, for example under another clock
 * @returns `isGood`, and what was counted: `passed`, `failed`, `skipped`
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
  const mended = first.failed - again.failed;
  if (again.isGood) report(`Passed at the second try: ${failedFiles.join(', ')}`);
  return { isGood: again.isGood, passed: first.passed + mended, failed: again.failed, skipped: first.skipped };
}

function runOnce(args, { launcher = [], env = {} }) {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
  const outputFile = join(directory, 'results.json');
  const [program, ...rest] = [...launcher, runtime(), '--disable-warning=DEP0169', ...vitest(outputFile), ...args];
  try {
    const { status } = spawnSync(program, rest, {
      cwd: root,
      env: toolEnvironment({ UV_THREADPOOL_SIZE: '16', ...env }),
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    return { isGood: status === 0, ...counted(outputFile) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function vitest(outputFile) {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${outputFile}`];
  return [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--root', '.', ...reporters];
}

function counted(outputFile) {
  try {
    const results = JSON.parse(readFileSync(outputFile, 'utf8'));
    const { numPassedTests: passed, numFailedTests: failed, numPendingTests, numTodoTests } = results;
    const failedFiles = results.testResults.filter(({ status }) => status === 'failed').map(({ name }) => name);
    return { passed, failed, skipped: numPendingTests + numTodoTests, failedFiles };
  } catch (cause) {
    throw new Error('Vitest left no results: it did not get as far as running a test.', { cause });
  }
}
