import { mkdir, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { bundleProgram } from './bundle-program.js';
import { mustRun } from './run-program.js';
import { temporaryDirectory } from './temporary-directory.js';

it('a program in TypeScript, with its modules, becomes a file a plain Node runs', async () => {
  await using directory = temporaryDirectory();
  await mkdir(directory.file('source'));
  await writeFile(directory.file('source', 'greeting.ts'), "export const greeting: string = 'Hello';\n");
  const main = directory.file('source', 'main.ts');
  await writeFile(main, "import { greeting } from './greeting.js';\nconsole.log(greeting, process.argv[2]);\n");

  const program = await bundleProgram(main, directory.file('bundle'));

  expect(await mustRun(process.execPath, [program, 'you'])).toBe('Hello you\n');
});
