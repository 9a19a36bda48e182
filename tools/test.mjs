// npm test: installs what is missing, real peers included, then runs every check and every test.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureInstalled, fail, root, run, runtime, toolEnvironment } from './bootstrap.mjs';
import { ensurePeers } from './peers.mjs';

ensureInstalled();
await ensurePeers();
step('format and lint');
run('biome', ['ci', '.', '--diagnostic-level=warn']);
step('build and type check');
run('nx', ['run-many', '-t', 'build', 'typecheck', '--outputStyle=static'], { quiet: true });
step('module boundaries');
run('node', ['tools/boundaries.mjs']);
step('tests');
report(runTests());

function step(name) {
  console.log(`\n> ${name}`);
}

/** Runs Vitest on the runtime Sallyport runs on, and reads back what it counted. */
function runTests() {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
  const outputFile = join(directory, 'results.json');
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = [
    vitest,
    'run',
    '--root',
    '.',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${outputFile}`,
  ];
  const { status } = spawnSync(runtime(), ['--disable-warning=DEP0169', ...args, ...process.argv.slice(2)], {
    cwd: root,
    env: toolEnvironment({ UV_THREADPOOL_SIZE: '16' }),
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  try {
    return { status, results: JSON.parse(readFileSync(outputFile, 'utf8')) };
  } catch {
    fail('Vitest left no results: it did not get as far as running a test.', status || 1);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function report({ status, results }) {
  const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped, numTodoTests: todo } = results;
  const notRun = skipped + todo;
  console.log(`${passed} passed, ${failed} failed, ${notRun} skipped`);
  if (passed === 0) fail('No test ran.');
  process.exitCode = status === 0 && failed === 0 ? 0 : 1;
}
