import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { configKeys, describeKey } from './schema.js';

const workspace = join(import.meta.dirname, '../../..');

/** The text of all programs, without tests and without the declarations of settings. */
function sources(): string {
  const files = globSync('{apps,libs}/*/src/**/*.ts', { cwd: workspace });
  const isProgram = (file: string) => !/\.(?:spec|fixture)\.ts$|^libs\/(?:config\/src\/keys|testkit)\//.test(file);
  return files
    .filter(isProgram)
    .map((file) => readFileSync(join(workspace, file), 'utf8'))
    .join('\n');
}

/** Its name as a program writes it: whole, behind the name of its table, or in a rule of the bridge. */
function isReadIn(text: string, key: string): boolean {
  const parts = key.split('.');
  const behindTable = parts.slice(1).map((_, index) => `}.${parts.slice(index + 1).join('.')}\``);
  return [`'${key}'`, `\`${key}`, `mapper.${parts.slice(1).join('.')}}`, ...behindTable].some((name) =>
    text.includes(name),
  );
}

it('each setting is read by a program, or says when it is set that nothing reads it', () => {
  const text = sources();
  expect(configKeys.filter((key) => describeKey(key).isRead && !isReadIn(text, key))).toEqual([]);
});
