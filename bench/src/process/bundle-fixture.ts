import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '@sallyport/testkit';
import { root } from './shipped.js';

/**
 * Bundles one program that contains a part of a service.
 *
 * @param source its path in the repository
 * @param directory for the bundle
 * @returns path of the file to run
 */
export async function bundleFixture(source: string, directory: string): Promise<string> {
  const [configPath, file] = [join(directory, 'rolldown.config.mjs'), join(directory, 'service.mjs')];
  const config = {
    input: join(root, source),
    platform: 'node',
    resolve: { conditionNames: ['@sallyport/source', 'node', 'import', 'default'] },
    output: { file, format: 'esm', codeSplitting: false },
  };
  await writeFile(configPath, `export default ${JSON.stringify(config)};\n`);
  await mustRun('rolldown', ['-c', configPath, '--logLevel', 'warn'], { cwd: root, deadlineMs: 60_000 });
  return file;
}
