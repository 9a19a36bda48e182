#!/usr/bin/env node
// Starts the command line tool with the Node.js of this workspace, and builds the tool when that has not been done yet.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// The release line the tool is tested on; system packages are often older.
const testedMajor = 24;
const project = dirname(dirname(fileURLToPath(import.meta.url)));
const tools = join(project, '..', '..', 'node_modules', '.bin');
const bundle = join(project, 'dist', 'bundle', 'main.js');

if (Number(process.versions.node.split('.')[0]) < testedMajor) runWithWorkspaceNode();
else {
  if (!existsSync(bundle)) build();
  // A command starts a quarter faster with the compiled code of the one before. It is kept in the workspace, because
  // others can write to the directory that Node would choose.
  module.enableCompileCache?.(process.env.NODE_COMPILE_CACHE ?? join(tools, '..', '.cache', 'sallyport'));
  await import(bundle);
}

function runWithWorkspaceNode() {
  const node = join(tools, 'node');
  if (!existsSync(node))
    fail(`Node.js ${process.version} is too old, and this workspace has none of its own.`, 'npm ci');
  const child = spawn(node, process.argv.slice(1), { stdio: 'inherit' });
  // A terminal sends Ctrl-C to both of us; whoever ends us otherwise means the child.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.once('exit', (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal];
  });
}

function build() {
  const config = join(project, '..', '..', 'rolldown.config.mjs');
  const { status } = spawnSync(process.execPath, [join(tools, 'rolldown'), '-c', config, '--logLevel', 'silent'], {
    cwd: project,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) fail('The command line tool is not built.', 'npm run build');
}

function fail(what, command) {
  process.stderr.write(`Error: ${what}\nRun: ${command}\n`);
  process.exit(1);
}
