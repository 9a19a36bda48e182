// Writes docs/reference/configuration.md from the schema in libs/config. A test fails when the page is stale.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';

const root = join(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'sallyport-reference-'));
try {
  const bundle = await rolldown({
    input: join(root, 'libs/config/src/index.ts'),
    platform: 'node',
    resolve: { conditionNames: ['@sallyport/source', 'node', 'import', 'default'] },
  });
  const file = join(folder, 'config.mjs');
  await bundle.write({ file, format: 'esm', codeSplitting: false });
  await bundle.close();
  const { renderConfigReference } = await import(pathToFileURL(file).href);
  writeFileSync(join(root, 'docs/reference/configuration.md'), renderConfigReference());
} finally {
  rmSync(folder, { recursive: true });
}
