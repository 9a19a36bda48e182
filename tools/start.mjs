// npm start: installs and builds what is missing, then runs every service in one process.
import { join } from 'node:path';
import {
  compileCache,
  ensureInstalled,
  fail,
  isBuilt,
  markBuilt,
  replaceBy,
  root,
  run,
  runtimeEnvironment,
  runtimeFlags,
} from './bootstrap.mjs';
import { choiceToMake } from './site-of-machine.mjs';

const bundles = ['standalone', 'cli'].map((app) => `apps/${app}/dist/bundle/main.js`);

const choice = await choiceToMake();
if (choice !== undefined) fail(choice);
ensureInstalled();
if (!isBuilt(bundles)) {
  console.error('Building …');
  run('nx', ['run-many', '-t', 'build', '-p', '@sallyport/standalone', '@sallyport/cli', '--outputStyle=static'], {
    quiet: true,
  });
  markBuilt(bundles);
}
// What the user has set counts.
const unset = Object.entries({ ...runtimeEnvironment, NODE_COMPILE_CACHE: compileCache }).filter(
  ([name]) => process.env[name] === undefined,
);
replaceBy(join(root, bundles[0]), process.argv.slice(2), {
  nodeArgs: runtimeFlags,
  env: Object.fromEntries(unset),
});
