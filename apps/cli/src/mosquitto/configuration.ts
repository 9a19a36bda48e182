import { readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isAbsent, readTextIfPresent } from '@sallyport/files';

/** A line `option value` of a configuration of Mosquitto, and where it stands. */
export interface MosquittoLine {
  readonly option: string;
  readonly value: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/** A `listener`, with the options below it. The first of all has no line: what stands above every `listener`. */
export interface MosquittoListener {
  readonly start: MosquittoLine | undefined;
  readonly lines: readonly MosquittoLine[];
}

// Mosquitto opens as many files as it is told to. A loop of includes must end here.
const mostFiles = 64;

/**
 * Reads a configuration of Mosquitto with the files it includes, in the order in which Mosquitto reads them.
 *
 * @returns undefined when there is no such file
 * @throws Error of the system: a file cannot be read
 * @see mosquitto.conf(5): `include_dir` reads the files `*.conf` of a directory in alphabetical order
 */
export async function readMosquittoConfiguration(path: string): Promise<MosquittoListener[] | undefined> {
  const lines = await linesOf(path, { left: mostFiles });
  return lines === undefined ? undefined : listenersIn(lines);
}

/** Value of an option of a listener, the last one that stands there. */
export function optionOf({ lines }: MosquittoListener, option: string): MosquittoLine | undefined {
  return lines.findLast((line) => line.option === option);
}

export function isOn(line: MosquittoLine | undefined): boolean {
  return line?.value === 'true' || line?.value === '1';
}

async function linesOf(file: string, budget: { left: number }): Promise<MosquittoLine[] | undefined> {
  budget.left -= 1;
  const text = budget.left < 0 ? undefined : await readTextIfPresent(file);
  if (text === undefined) return undefined;
  const found: MosquittoLine[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const [, option, value] = /^(\w+)[ \t]+(.*)$/.exec(raw.trimEnd()) ?? [];
    if (option === undefined || value === undefined) continue;
    if (option !== 'include_dir') found.push({ option, value: value.trim(), file, line: index + 1 });
    else
      for (const each of await namesIn(resolve(dirname(file), value)))
        found.push(...((await linesOf(each, budget)) ?? []));
  }
  return found;
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    const names = await readdir(directory);
    return names
      .filter((name) => name.endsWith('.conf'))
      .toSorted()
      .map((name) => join(directory, name));
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

function listenersIn(lines: readonly MosquittoLine[]): MosquittoListener[] {
  const starts = lines.flatMap(({ option }, index) => (option === 'listener' ? [index] : []));
  const bounds = [0, ...starts, lines.length];
  return bounds.slice(0, -1).map((from, index) => {
    const start = index === 0 ? undefined : lines[from];
    return { start, lines: lines.slice(index === 0 ? from : from + 1, bounds[index + 1]) };
  });
}
