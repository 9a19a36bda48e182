import { isUtf8 } from 'node:buffer';
import { basename } from 'node:path';
import { FileWatch, type FileWatchTimes, readOperatorFile } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';

/** A file of rules, and how to read it. */
export interface RulesFile<Rule> {
  /** The setting that names it, for errors. */
  readonly key: string;
  readonly path: string;
  /** @throws Problem `config-invalid` */
  readonly parse: (text: string, file: string) => Rule[];
}

export interface FollowOptions<Rule> extends FileWatchTimes {
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
 * Reads the file again when it has changed and nobody writes it any more, within two or three seconds.
 *
 * @returns stops that
 */
export function followRulesFile<Rule>(file: RulesFile<Rule>, options: FollowOptions<Rule>): () => void {
  const { pollMs, quietMs, onRules, onFault } = options;
  const stopping = new AbortController();
  const unlessStopped = (act: () => void): void => {
    if (!stopping.signal.aborted) act();
  };
  const readAgain = async (): Promise<void> => {
    try {
      const rules = await readRulesFile(file);
      unlessStopped(() => onRules(rules));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      unlessStopped(() => onFault(error));
    }
  };
  const watching = FileWatch.start({ paths: [file.path], pollMs, quietMs, onChange: () => void readAgain() });
  return () => {
    stopping.abort();
    void watching.then((watch) => watch.stop());
  };
}

/** Undefined when the bytes are not UTF-8. */
function textOf(latin1: string): string | undefined {
  const bytes = Buffer.from(latin1, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}
