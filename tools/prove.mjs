// npm run prove -- NAME...: proofs that take too long or need too much for `npm test`.
import { ensureInstalled, fail } from './bootstrap.mjs';
import { keepProof } from './digest.mjs';
import { ensurePeers } from './peers.mjs';
import { anotherDay } from './proofs/another-day.mjs';
import { bareRoot } from './proofs/bare-root.mjs';
import { coapFrames } from './proofs/coap.mjs';
import { bridge, broker, connector, mqttHostile } from './proofs/mqtt.mjs';
import { year } from './proofs/year.mjs';

const proofs = [bareRoot, anotherDay, broker, bridge, connector, mqttHostile, coapFrames, year];
const names = process.argv.slice(2);

if (names.includes('--list')) list();
else await proveAll(chosen());

function list() {
  const width = Math.max(...proofs.map(({ name }) => name.length));
  for (const { name, says } of proofs) console.log(`${name.padEnd(width)}  ${says}`);
}

function chosen() {
  const unknown = names.filter((name) => !proofs.some((proof) => proof.name === name));
  const known = proofs.map(({ name }) => name).join(', ');
  if (names.length === 0 || unknown.length > 0) fail(`npm run prove -- NAME..., where NAME is one of: ${known}`, 2);
  return proofs.filter(({ name }) => names.includes(name));
}

/** Runs all proofs one after the other, also when one of them fails. */
async function proveAll(wanted) {
  ensureInstalled();
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
  const failed = [];
  for (const proof of wanted) if (!(await holds(proof))) failed.push(proof.name);
  if (failed.length > 0) fail(`Not proved: ${failed.join(', ')}.`);
}

async function holds(proof) {
  // Each line names its proof. So nobody takes the summary of a test run for the summary of all proofs.
  const report = (line) => console.log(`${proof.name} | ${line}`);
  const started = performance.now();
  const seconds = () => Math.round((performance.now() - started) / 1000);
  const conclude = (text) => {
    report(text);
    keepProof(`${proof.name}: ${text}`);
  };
  try {
    await prove(proof, report);
    conclude(`proved in ${seconds()} s`);
    return true;
  } catch (error) {
    conclude(`not proved after ${seconds()} s: ${error.message}`);
    return false;
  }
}

async function prove({ packages, needsRoot, prove: work }, report) {
  if (needsRoot && process.getuid?.() !== 0)
    throw new Error('It needs root: it makes a system of its own and enters it.');
  const missing = await ensurePeers(undefined, packages);
  if (missing.length > 0)
    throw new Error(`It needs the Debian packages ${missing.map((each) => each.name).join(', ')}.`);
  await work(report);
}
