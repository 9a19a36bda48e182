import { isUtf8 } from 'node:buffer';
import { type Stats, unwatchFile, watchFile } from 'node:fs';
import { basename } from 'node:path';
import { readOperatorFile } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';

// A poll of one file. Unlike a notification it works on every file system, and when the file is replaced or mounted.
const usualPollMs = 1_000;

/** A file of rules, and how to read it. */
export interface RulesFile<Rule> {
  /** The setting that names it, for errors. */
  readonly key: string;
  readonly path: string;
  /** @throws Problem `config-invalid` */
  readonly parse: (text: string, file: string) => Rule[];
}

export interface FollowOptions<Rule> {
  /** Default: one second. */
  readonly pollMs?: number | undefined;
  /** The file has changed, and can be used. */
  readonly onRules: (rules: Rule[]) => void;
  /** The file has changed, and cannot be used. */
  readonly onFault: (problem: Problem) => void;
}

/** @throws Problem `config-invalid`: the file cannot be read, or is not valid; it names line and value */
export async function readRulesFile<Rule>({ key, path, parse }: RulesFile<Rule>): Promise<Rule[]> {
  const reading = await readOperatorFile(path);
  const text = reading.state === 'file' ? textOf(reading.text) : undefined;
  if (text !== undefined) return parse(text, basename(path));
  throw new Problem('config-invalid', `${key}: the file ${path} ${reading.fault ?? 'is not UTF-8'}.`);
}

/**
 * Reads the file again whenever it changes, within a second or two.
 *
 * @returns stops that
 */
export function followRulesFile<Rule>(file: RulesFile<Rule>, options: FollowOptions<Rule>): () => void {
  const onChange = (now: Stats, before: Stats): void => {
    if (now.mtimeMs === before.mtimeMs && now.ino === before.ino && now.size === before.size) return;
    void readAgain(file, options);
  };
  watchFile(file.path, { persistent: false, interval: options.pollMs ?? usualPollMs }, onChange);
  return () => unwatchFile(file.path, onChange);
}

async function readAgain<Rule>(file: RulesFile<Rule>, { onRules, onFault }: FollowOptions<Rule>): Promise<void> {
  try {
    onRules(await readRulesFile(file));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    onFault(error);
  }
}

/** Undefined when the bytes are not UTF-8. */
function textOf(latin1: string): string | undefined {
  const bytes = Buffer.from(latin1, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}
