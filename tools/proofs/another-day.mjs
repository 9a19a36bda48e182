// Runs the tests with a clock that is 400 days ahead. A test that has a fixed date in one place and reads the clock in
// another fails here.
import { run } from '../bootstrap.mjs';
import { digest } from '../digest.mjs';
import { ensurePeers } from '../peers.mjs';
import { runVitest } from '../vitest.mjs';

const daysAhead = 400;
// Under faketime each reading of the clock takes longer.
const patience = ['--testTimeout=120000', '--hookTimeout=240000'];
const terminal = 'what runs on the pseudo terminal is given no environment, and with it the clock of today';
const fileTimes =
  'the file system keeps its own clock, so that a file somebody is writing looks as if forgotten long ago';

/** Tests that cannot run under another clock: the beginning of the full name, the file, and the reason. */
export const leftOut = [
  {
    name: 'a pair that is replaced > while it is read',
    file: 'libs/identity/src/contention.spec.ts',
    reason: fileTimes,
  },
  { name: 'a site that nobody looks after', file: 'e2e/src/year.spec.ts', reason: 'it has a clock of its own' },
  ...['takes the token at the terminal', 'lets Ctrl-C through again', 'understands Backspace'].map((title) => ({
    name: `cert download --prompt > ${title}`,
    file: 'apps/cli/src/main.spec.ts',
    reason: terminal,
  })),
  {
    name: 'cert upload c8y > asks for user name and password at the terminal',
    file: 'apps/cli/src/main.spec.ts',
    reason: terminal,
  },
];

export const anotherDay = {
  name: 'another-day',
  says: `every test that can, under a clock ${daysAhead} days ahead`,
  packages: [{ name: 'faketime', proof: 'faketime', tests: 'the proof "another-day"' }],
  needsRoot: false,
  prove,
};

async function prove(report) {
  await ensurePeers();
  run('nx', ['run-many', '-t', 'build', '--outputStyle=static'], { quiet: true });
  for (const { name, reason } of leftOut) report(`left out: "${name} ...": ${reason}`);
  const { isGood, passed, failed, skipped, failures } = runVitest(
    [...patience, `--testNamePattern=${allBut(leftOut)}`],
    {
      launcher: ['faketime', '--exclude-monotonic', '-f', `+${daysAhead}d`],
    },
  );
  report(`${daysAhead} days ahead ${passed} tests passed, ${failed} failed, ${skipped} were left out`);
  if (!isGood || failed > 0) throw new Error(`a test depends on today.\n${digest(failures)}`);
}

/** A pattern that matches the names of all tests except these. */
export function allBut(tests) {
  const names = tests.map(({ name }) => name.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return `^(?!${names.join('|')})`;
}
