// npm start: installs and builds what is missing, then runs every service in one process.
import { join } from 'node:path';
import { ensureInstalled, isBuilt, markBuilt, replaceBy, root, run, runtimeFlags } from './bootstrap.mjs';

const bundles = ['standalone', 'cli'].map((app) => `apps/${app}/dist/bundle/main.js`);

ensureInstalled();
if (!isBuilt(bundles)) {
  console.error('Building …');
  run('nx', ['run-many', '-t', 'build', '-p', '@sallyport/standalone', '@sallyport/cli', '--outputStyle=static'], {
    quiet: true,
  });
  markBuilt(bundles);
}
replaceBy(join(root, bundles[0]), process.argv.slice(2), {
  nodeArgs: runtimeFlags,
  // Durable uploads wait for fsync in the thread pool, so it needs more than 4 threads.
  env: { UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE ?? '16' },
});
