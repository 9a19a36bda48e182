// What failed, in a few lines, for readers who see only the end of a long output.
import { appendFileSync, readFileSync } from 'node:fs';

const mostLines = 60;
const longestLine = 160;
// CI shows the last 6 KB, and two proofs and the tests have to fit.
const longestProof = 2_400;
const shownOfBeginning = 600;
const proofsFile = 'SALLYPORT_PROOFS_DIGEST';

/** The failures of a test run, each with `where` and `error`. Empty when there are none. */
export function digest(failures) {
  if (failures.length === 0) return '';
  const mostShown = mostLines / 2 - 1;
  const lines = failures.slice(0, mostShown).flatMap(({ where, error }) => [`  ${where}`, `    ${error}`]);
  const left = failures.length - mostShown;
  if (left > 0) lines.push(`  and ${left} more`);
  return [`Failed (${failures.length}):`, ...lines.map((line) => line.slice(0, longestLine))].join('\n');
}

/** The digest that an earlier test run printed in this output, without the lines before and after it. */
export function digestIn(output) {
  const [found] = /^Failed \(\d+\):\n(?: {2}.*\n)+/m.exec(output) ?? [];
  return found ?? output.slice(-longestProof);
}

/** Keeps what a proof found in the file that the environment names. Does nothing when it names none. */
export function keepProof(text, environment = process.env) {
  const file = environment[proofsFile];
  if (file !== undefined) appendFileSync(file, `${shortened(text)}\n`);
}

/** The beginning says what failed, and the end what was going on. */
function shortened(text) {
  if (text.length <= longestProof) return text;
  return `${text.slice(0, shownOfBeginning)}\n[…]\n${text.slice(shownOfBeginning - longestProof)}`;
}

/** What the proofs before this program found. */
export function keptProofs(environment = process.env) {
  const file = environment[proofsFile];
  return file === undefined ? '' : readFileSync(file, 'utf8').trimEnd();
}
