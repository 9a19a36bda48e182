// Runs Vitest on the runtime Sallyport runs on, and counts what it did.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, runtime, toolEnvironment } from './bootstrap.mjs';

/**
 * Runs tests to their end, their report on this process's output.
 *
 * @param args for Vitest, such as names of files
 * @param launcher program and arguments that start Node in its place
 * @returns `isGood`, and what was counted: `passed`, `failed`, `skipped`
 * @throws Error when Vitest did not get as far as running a test
 */
export function runVitest(args = [], { launcher = [], env = {} } = {}) {
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
    return { passed, failed, skipped: numPendingTests + numTodoTests };
  } catch (cause) {
    throw new Error('Vitest left no results: it did not get as far as running a test.', { cause });
  }
}
