// npm run bench -- NAME [options]: bundles bench/src/NAME.ts as a service is bundled, and runs it.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureInstalled, fail, replaceBy, root, run } from './bootstrap.mjs';
import { benchPeers, ensurePeers } from './peers.mjs';

ensureInstalled();
const source = join(root, 'bench/src');
const names = readdirSync(source)
  .filter((file) => file.endsWith('.ts') && !file.includes('.spec.'))
  .map((file) => file.slice(0, -'.ts'.length));
const [name, ...options] = process.argv.slice(2);
if (!names.includes(name)) fail(`npm run bench -- NAME, where NAME is one of: ${names.join(', ')}`, 2);

await ensurePeers(undefined, benchPeers[name] ?? []);
run('rolldown', ['-c', '../rolldown.config.mjs', '--logLevel', 'warn'], {
  cwd: join(root, 'bench'),
  env: { SALLYPORT_BENCH: name },
});
replaceBy(join(root, 'bench/dist/bundle', `${name}.js`), options, {
  nodeArgs: ['--disable-warning=DEP0169', '--enable-source-maps'],
  env: { UV_THREADPOOL_SIZE: '16' },
});
