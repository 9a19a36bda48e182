// Writes what is made from the sources: docs/reference/configuration.md from the schema in libs/config, and from the access
// table in libs/protocol docs/reference/mqtt-access.md and the access rules of deploy/mosquitto, and from libs/bridge-rules
// docs/reference/bridge-rules.md, and from the command tree docs/reference/cli.md. Tests fail when one is stale.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';

const root = join(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'sallyport-reference-'));

async function load(library) {
  return loadFile(library, join('libs', library, 'src/index.ts'));
}

async function loadFile(name, source) {
  const bundle = await rolldown({
    input: join(root, source),
    platform: 'node',
    logLevel: 'silent',
    resolve: { conditionNames: ['@sallyport/source', 'node', 'import', 'default'] },
  });
  const file = join(folder, `${name}.mjs`);
  await bundle.write({ file, format: 'esm', codeSplitting: false });
  await bundle.close();
  return await import(pathToFileURL(file).href);
}

try {
  const { renderConfigReference } = await load('config');
  const { MqttAccess, mosquittoAcl, renderMqttAccessReference } = await load('protocol');
  const { renderBridgeRulesReference } = await load('bridge-rules');
  const { renderCliReference } = await loadFile('cli', 'apps/cli/src/help/reference.ts');
  writeFileSync(join(root, 'docs/reference/cli.md'), renderCliReference());
  writeFileSync(join(root, 'docs/reference/bridge-rules.md'), renderBridgeRulesReference());
  writeFileSync(join(root, 'docs/reference/configuration.md'), renderConfigReference());
  writeFileSync(join(root, 'docs/reference/mqtt-access.md'), renderMqttAccessReference());
  writeFileSync(join(root, 'deploy/mosquitto/sallyport.acl'), mosquittoAcl(new MqttAccess(), 'certificate'));
} finally {
  rmSync(folder, { recursive: true });
}
