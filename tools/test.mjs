// npm test: installs what is missing, real peers included, then runs every check and every test.

import { ensureInstalled, fail, run } from './bootstrap.mjs';
import { digest, keptProofs } from './digest.mjs';
import { filesThatNeed } from './needs.mjs';
import { describe, ensurePeers, mayLeaveOut } from './peers.mjs';
import { leftOutVariable, runVitest } from './vitest.mjs';

let summary = '';
process.once('exit', sayLast);

ensureInstalled();
const missing = await ensurePeers();
const leftOut = mayLeaveOut() ? filesThatNeed(missing) : [];
for (const file of leftOut) console.log(`left out: ${file}`);
step('format and lint');
run('biome', ['ci', '.', '--diagnostic-level=warn']);
step('build and type check');
run('nx', ['run-many', '-t', 'build', 'typecheck', '--outputStyle=static'], { quiet: true });
step('module boundaries');
run('node', ['tools/boundaries.mjs']);
step('tests');
report(tests());

function step(name) {
  console.log(`\n> ${name}`);
}

function tests() {
  try {
    return runVitest(process.argv.slice(2), { env: { [leftOutVariable]: leftOut.join(':') } });
  } catch (error) {
    fail(error.message);
  }
}

function report({ isGood, passed, failed, skipped, failures }) {
  // The start of the output says this too, but that is thousands of lines above.
  if (missing.length > 0) console.error(describe(missing, mayLeaveOut() ? 'were left out' : 'failed'));
  if (leftOut.length > 0)
    console.error(`${leftOut.length} files of tests were left out; they are named at the beginning.`);
  if (failures.length > 0) console.log(digest(failures));
  summary = `${passed} passed, ${failed} failed, ${skipped} skipped`;
  if (passed === 0) fail('No test ran.');
  process.exitCode = isGood && failed === 0 ? 0 : 1;
}

/** CI shows only the end of its output, so what the proofs found is said again there. The summary is the last line. */
function sayLast() {
  for (const text of [keptProofs(), summary]) if (text !== '') console.log(text);
}
