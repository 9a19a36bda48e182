import { isUtf8 } from 'node:buffer';
import { join } from 'node:path';
import type { BuiltInCloud } from '@sallyport/config';
import { namesIn, readOperatorFile } from '@sallyport/files';
import { builtInFiles } from './built-in-rules.js';
import { type RuleFault, ruleProblem } from './rule-fault.js';
import { type FileRules, type RuleFile, readRuleFile } from './rule-file.js';
import { loopFaults } from './rule-loops.js';
import type { RuleSet } from './rule-set.js';
import type { RuleVariables } from './variables.js';

// A bridge has a file or two with tens of rules. The time to look for loops grows with the third power of their number.
const mostFiles = 64;
const mostRules = 256;
const mostFileBytes = 64 * 1_024;

/** Where rules are, and what their variables mean. */
export interface RuleSource {
  /** The folder with the files, such as `/etc/tedge/mappers/c8y/bridge`; it need not exist. */
  readonly directory: string;
  readonly variables: RuleVariables;
  /** The cloud whose built-in rules count where their file was not written yet. */
  readonly builtIn?: BuiltInCloud;
}

/**
 * Reads all `*.toml` of a folder, in the order of their names. A file that has a `.disabled` marker is left out.
 *
 * @throws Problem `config-invalid`: everything that is wrong in all files, with file and line
 */
export async function readRuleSet(source: RuleSource): Promise<RuleSet> {
  const { files, disabledFiles, faults: fileFaults } = await filesOf(source);
  const read = files.map((file) => readRuleFile(file, source.variables));
  const rules = read.flatMap((file: FileRules) => file.rules);
  const faults = [...fileFaults, ...read.flatMap((file) => file.faults), ...tooMany(source.directory, rules.length)];
  // Rules that are not valid cannot be compared with each other.
  const allFaults = faults.length > 0 ? faults : loopFaults(rules);
  if (allFaults.length > 0) throw ruleProblem(allFaults);
  return { rules, skipped: read.flatMap((file) => file.skipped), disabledFiles, fileCount: files.length };
}

function tooMany(directory: string, count: number): RuleFault[] {
  if (count <= mostRules) return [];
  return [{ file: directory, line: undefined, message: `There are ${count} rules; ${mostRules} may be used.` }];
}

interface FoundFiles {
  readonly files: readonly RuleFile[];
  readonly disabledFiles: readonly string[];
  readonly faults: readonly RuleFault[];
}

async function filesOf({ directory, builtIn }: RuleSource): Promise<FoundFiles> {
  const names = await namesIn(directory);
  const disabledFiles = names.filter((name) => name.endsWith('.toml.disabled')).map(withoutMarker);
  const written = names.filter((name) => name.endsWith('.toml') && !disabledFiles.includes(name));
  const ours = builtIn === undefined ? [] : builtInFiles(builtIn);
  const unwritten = ours.filter(({ name }) => !names.includes(name) && !disabledFiles.includes(name));
  if (written.length > mostFiles) {
    const message = `There are ${written.length} files; ${mostFiles} may be used.`;
    return { files: [], disabledFiles, faults: [{ file: directory, line: undefined, message }] };
  }
  const read = await Promise.all(written.map((name) => readFileOf(directory, name)));
  const found = await Promise.all(read.flatMap(({ file }) => file ?? []).map((file) => renewed(directory, file, ours)));
  const files = [...found, ...unwritten];
  return {
    files: files.toSorted((one, other) => (one.name < other.name ? -1 : 1)),
    disabledFiles: disabledFiles.toSorted(),
    faults: read.flatMap(({ fault }) => fault ?? []),
  };
}

function withoutMarker(name: string): string {
  return name.slice(0, -'.disabled'.length);
}

/** A file that nobody has edited since an earlier release wrote it counts as that of this release, which a start writes. */
async function renewed(directory: string, file: RuleFile, ours: readonly RuleFile[]): Promise<RuleFile> {
  const own = ours.find(({ name }) => name === file.name);
  if (own === undefined) return file;
  const { file: template } = await readFileOf(directory, `${file.name}.template`);
  return template?.text === file.text ? own : file;
}

/** A file or a fault. */
interface FileReading {
  readonly file?: RuleFile;
  readonly fault?: RuleFault;
}

async function readFileOf(directory: string, name: string): Promise<FileReading> {
  const reading = await readOperatorFile(join(directory, name));
  if (reading.state !== 'file') return { fault: { file: name, line: undefined, message: `It ${reading.fault}.` } };
  const bytes = Buffer.from(reading.text, 'latin1');
  if (bytes.length > mostFileBytes) {
    const message = `It has ${bytes.length} bytes; ${mostFileBytes} may be used. Split it.`;
    return { fault: { file: name, line: undefined, message } };
  }
  if (!isUtf8(bytes)) return { fault: { file: name, line: undefined, message: 'It is not UTF-8. Save it as UTF-8.' } };
  return { file: { name, text: bytes.toString('utf8') } };
}
