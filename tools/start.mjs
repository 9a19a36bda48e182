// npm start: installs and builds what is missing, then runs every service in one process.
import { join } from 'node:path';
import { ensureInstalled, replaceBy, root, run, runtimeFlags } from './bootstrap.mjs';

ensureInstalled();
run('nx', ['run-many', '-t', 'build', '-p', '@sallyport/standalone', '@sallyport/cli', '--outputStyle=static'], {
  quiet: true,
});
replaceBy(join(root, 'apps/standalone/dist/bundle/main.js'), process.argv.slice(2), {
  nodeArgs: runtimeFlags,
  // Durable uploads wait on fsync in the thread pool.
  env: { UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE ?? '16' },
});
