import { join } from 'node:path';
import type { BuiltInCloud } from '@sallyport/config';
import { exists, makeFolder, readTextIfPresent, replaceTextFile } from '@sallyport/files';
import { awsRules } from './built-in/aws.js';
import { azRules } from './built-in/az.js';
import { c8yRules } from './built-in/c8y.js';
import type { RuleFile } from './rule-file.js';

const files: Readonly<Record<BuiltInCloud, readonly RuleFile[]>> = {
  c8y: [{ name: 'mqtt-core.toml', text: c8yRules }],
  az: [{ name: 'rules.toml', text: azRules }],
  aws: [{ name: 'rules.toml', text: awsRules }],
};

/** The files of built-in rules of a cloud, with the names that thin-edge.io gives them. */
export function builtInFiles(cloud: BuiltInCloud): readonly RuleFile[] {
  return files[cloud];
}

/**
 * Writes the built-in rules, at each start and before a connection is tried.
 *
 * `<name>.toml.template` is always what this release has. `<name>.toml` is written if it is not there, or if it is the
 * former template, so that a file somebody edited stays. With a marker `<name>.toml.disabled` it is never written.
 *
 * @returns names of the files with rules that were written
 * @throws NodeJS.ErrnoException as the disk says (EACCES, EROFS, ENOSPC); no file is half written
 */
export async function writeBuiltInRules(directory: string, cloud: BuiltInCloud): Promise<string[]> {
  await makeFolder(directory, 0o755);
  const written: string[] = [];
  for (const file of builtInFiles(cloud)) if (await writeBuiltIn(directory, file)) written.push(file.name);
  return written;
}

async function writeBuiltIn(directory: string, { name, text }: RuleFile): Promise<boolean> {
  const path = join(directory, name);
  const template = `${path}.template`;
  const [present, former] = [await readTextIfPresent(path), await readTextIfPresent(template)];
  const isDisabled = await exists(`${path}.disabled`);
  const isOurs = present === undefined || present === former;
  const isDue = !isDisabled && isOurs && present !== text;
  // The template comes last: a crash in between must not make the new rules look like an edit.
  if (isDue) await replaceTextFile(path, text);
  if (former !== text) await replaceTextFile(template, text);
  return isDue;
}
