// `npm start` in a clone, on a machine that has a site of its own in /etc/tedge.
import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { root } from './bootstrap.mjs';

const directory = '/etc/tedge';

const thisMachine = {
  args: process.argv.slice(2),
  environment: process.env,
  isOurs: () => isWritableDirectory(directory),
  isTerminal: Boolean(process.stdin.isTTY && process.stderr.isTTY),
  ask,
};

/**
 * The services take /etc/tedge when they may write there, so a trial by root would run on the keys and data of the real
 * site. That needs a yes, or the name of the directory.
 *
 * @returns what to tell somebody who must choose first; undefined when the choice is made
 */
export async function choiceToMake(machine = thisMachine) {
  if (isChosen(machine) || !machine.isOurs()) return undefined;
  if (machine.isTerminal && (await machine.ask(`${directory} is the site of this machine. Run on it? [y/N] `)))
    return undefined;
  return [
    `${directory} is the site of this machine, and this start would use its keys, settings and data.`,
    'To run this clone on a site of its own:',
    '',
    `  export TEDGE_CONFIG_DIR='${join(root, '.sallyport').replaceAll("'", "'\\''")}'`,
    '  npm start',
    '',
    'To run it on the site of the machine, when nothing else runs there:',
    '',
    `  TEDGE_CONFIG_DIR=${directory} npm start`,
  ].join('\n');
}

/** Somebody named a directory, or only asks for help. */
function isChosen({ args, environment }) {
  if (environment.TEDGE_CONFIG_DIR) return true;
  return args.some((arg) => /^(--config-dir(=.*)?|--help|-h|--version|-V)$/.test(arg));
}

function isWritableDirectory(path) {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return statSync(path).isDirectory();
  } catch {
    // It is missing, or not ours.
    return false;
  }
}

async function ask(question) {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^\s*y(es)?\s*$/i.test(await terminal.question(question));
  } finally {
    terminal.close();
  }
}
