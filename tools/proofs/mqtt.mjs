// Kills brokers a hundred times each, as the short form in the tests does a few times.

import { run } from '../bootstrap.mjs';
import { ensurePeers } from '../peers.mjs';
import { runVitest } from '../vitest.mjs';

const kills = 100;

export const broker = {
  name: 'broker',
  says: `kill -9 of each broker, ${kills} times under 2,000 QoS 1 messages a second: nothing is lost`,
  packages: [],
  needsRoot: false,
  prove,
};

async function prove(report) {
  await ensurePeers();
  run('nx', ['run-many', '-t', 'build', '--outputStyle=static'], { quiet: true });
  const args = ['--project', '@sallyport/e2e', 'broker-crash'];
  const { isGood, passed, failed } = runVitest(args, { env: { SALLYPORT_CRASHES: String(kills) } });
  report(`${passed} brokers lost nothing, ${failed} did`);
  if (!isGood || failed > 0 || passed === 0) throw new Error('a broker lost what it had acknowledged.');
}
