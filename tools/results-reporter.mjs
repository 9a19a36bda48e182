// What a test run leaves for the programs that started it. Vitest loads this file; the path of the results is in its
// environment.
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { root } from './bootstrap.mjs';

export const resultsVariable = 'SALLYPORT_TEST_RESULTS';

/** Writes a JSON file: how many tests passed, failed and were skipped, and what failed, with the first line of each error. */
export default class ResultsReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const count = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) for (const test of module.children.allTests()) count[stateOf(test)] += 1;
    const failures = [
      ...modules.flatMap(failuresOf),
      ...unhandledErrors.map((error) => ({ where: placeOf(error), error: firstLine(error) })),
    ];
    const failedFiles = modules.filter((module) => module.state() === 'failed').map(({ moduleId }) => moduleId);
    writeFileSync(process.env[resultsVariable], JSON.stringify({ ...count, failedFiles, failures }));
  }
}

function stateOf(test) {
  const { state } = test.result();
  return state === 'pending' ? 'skipped' : state;
}

/** Of the file, of its groups (their hooks), and of its tests. */
function failuresOf(module) {
  const file = relative(root, module.moduleId);
  const groups = [...module.children.allSuites()];
  const failed = [...module.children.allTests('failed')];
  return [
    ...module.errors().map((error) => ({ where: file, error: firstLine(error) })),
    ...groups.flatMap((group) => group.errors().map((error) => failure(file, group, error))),
    ...failed.map((test) => failure(file, test, test.result().errors?.[0])),
  ];
}

const failure = (file, { fullName }, error) => ({
  where: `${file} > ${fullName.replaceAll('\n', ' ')}`,
  error: firstLine(error),
});

/** Of an error that no test has caught: where it was seen, which need not be where it was thrown. */
function placeOf({ VITEST_TEST_PATH: path }) {
  return path === undefined ? 'outside of a test' : `${relative(root, path)}, outside of a test`;
}

function firstLine(error) {
  if (!error?.message) return 'no error was given';
  return `${error.name ?? 'Error'}: ${error.message}`.split('\n', 1)[0];
}
