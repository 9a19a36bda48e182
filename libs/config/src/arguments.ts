import { Problem } from '@sallyport/protocol';
import { findKey, type KeyReference, nameOf } from './key-names.js';
import type { Given, Layer } from './layer.js';
import { describeKey } from './schema.js';

/** What the command line of a service says. */
export interface Arguments extends Layer {
  readonly configDir?: string;
}

/**
 * Reads the flags of a service: `--config-dir DIR` and one flag per setting, `--http.bind.port 8000` or
 * `--http-bind-port=8000`. A flag beats the environment and the file.
 *
 * @param argv the arguments behind the program's name.
 * @throws Problem `config-invalid`: a flag that does not exist, or one without its value.
 */
export function readArguments(argv: readonly string[], cwd: string): Arguments {
  const given = new Map<string, Given>();
  let configDir: string | undefined;
  const words = [...argv];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const [, flag, inline] = /^--([a-z0-9._-]+)(?:=(.*))?$/s.exec(word) ?? [];
    const named = flag === undefined ? undefined : findKey(flag);
    if (named === undefined && flag !== 'config-dir') throw unknownFlag(word);
    const text = inline ?? words.shift();
    if (text === undefined) throw new Problem('config-invalid', `--${flag} needs a value: --${flag} VALUE.`);
    if (named === undefined) configDir = text;
    else given.set(nameOf(named), argument(named, text, { flag: `--${flag}`, cwd }));
  }
  return { given, warnings: [], faults: [], ...(configDir === undefined ? {} : { configDir }) };
}

function argument(reference: KeyReference, text: string, { flag, cwd }: { flag: string; cwd: string }): Given {
  const value = text === '' ? undefined : describeKey(reference.key).type.fromText(text, cwd);
  return { reference, source: 'argument', where: flag, value };
}

function unknownFlag(word: string): Problem {
  const flag = word.split('=')[0] ?? word;
  return new Problem('config-invalid', `${flag} is not a flag. Run with --help for the list of flags.`);
}
