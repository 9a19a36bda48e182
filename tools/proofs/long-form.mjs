// Runs a test of the product in its long form.
import { run } from '../bootstrap.mjs';
import { ensurePeers } from '../peers.mjs';
import { runVitest } from '../vitest.mjs';

/** A proof that runs one file of the tests with more work: `env` tells the test how much, `fault` what a failure means. */
export function longForm({ name, says, file, env, fault }) {
  async function prove(report) {
    await ensurePeers();
    run('nx', ['run-many', '-t', 'build', '--outputStyle=static'], { quiet: true });
    const { isGood, passed, failed } = runVitest(['--project', '@sallyport/e2e', file], { env });
    report(`${passed} held, ${failed} did not`);
    if (!isGood || failed > 0 || passed === 0) throw new Error(fault);
  }
  return { name, says, packages: [], needsRoot: false, prove };
}
