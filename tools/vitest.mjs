// Runs Vitest on the runtime Sallyport runs on, and counts what it did.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, runtime, toolEnvironment } from './bootstrap.mjs';

// With more, it is no accident.
const mostFilesAgain = 5;

/**
 * Runs tests to their end, their report on this process's output. A machine others use too makes a test late now and
 * then, so a file with a failure runs once more, whole and without the others beside it; what is wrong fails again.
 *
 * @param args for Vitest, such as names of files
 * @param launcher program and arguments that start Node in its place
 * @returns `isGood`, and what was counted: `passed`, `failed`, `skipped`
 * @throws Error when Vitest did not get as far as running a test
 */
export function runVitest(args = [], options = {}) {
  return withSecondTry((files) => runOnce([...args, ...files], options));
}

/** @param attempt runs the files given, or all of them; returns what `runVitest` does, and `failedFiles` */
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
