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
export function bundleFixture(source: string, directory: string): Promise<string> {
  return bundle({ source, directory, treeshake: 'true' });
}

/**
 * The same for a program that starts a service with the helpers of its tests. Modules that are only re-exported are left
 * out: some of the helpers have native parts, which cannot be bundled.
 */
export function bundleServiceFixture(source: string, directory: string): Promise<string> {
  // Nest's decorators need this module, which is imported only for its side effects.
  const rules = '[{ test: /reflect-metadata/, sideEffects: true }, { test: /./, sideEffects: false }]';
  return bundle({ source, directory, treeshake: `{ moduleSideEffects: ${rules} }` });
}

interface Bundling {
  readonly source: string;
  readonly directory: string;
  /** JavaScript */
  readonly treeshake: string;
}

async function bundle({ source, directory, treeshake }: Bundling): Promise<string> {
  const [configPath, file] = [join(directory, 'rolldown.config.mjs'), join(directory, 'service.mjs')];
  const config = {
    input: join(root, source),
    platform: 'node',
    resolve: { conditionNames: ['@sallyport/source', 'node', 'import', 'default'] },
    output: { file, format: 'esm', codeSplitting: false },
  };
  await writeFile(configPath, `export default { ...${JSON.stringify(config)}, treeshake: ${treeshake} };\n`);
  await mustRun('rolldown', ['-c', configPath, '--logLevel', 'warn'], { cwd: root, deadlineMs: 60_000 });
  return file;
}
