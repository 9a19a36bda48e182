// Runs both commands of the README on a machine that has only Node, npm and git.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root as checkout } from '../bootstrap.mjs';
import { digestIn } from '../digest.mjs';
import { DebianRoot } from './debian-root.mjs';
import { holdPorts } from './hold-ports.mjs';
import { Program } from './program.mjs';

const repository = '/srv/sallyport.git';
// `npm test` takes 15 to 20 minutes on two cores, and a file that fails runs again. A busy machine may need longer. CI has
// 90 minutes for everything.
const testDeadlineMs = 35 * 60_000;
const startDeadlineMs = 10 * 60_000;
const shortMs = 120_000;
// For root: the packages it has to install, what our documents tell people to type, which only root can run, and the tests
// of our tools. The user runs all tests. With twice all of them, CI would take too long.
const testsAsRoot = ['--', 'document.spec', 'guide.spec', 'newcomer.spec', 'backup.spec', '.spec.mjs'];
// Ports that another program on a gateway often uses.
const popularPorts = [8000, 1883];

export const bareRoot = {
  name: 'bare-root',
  says: 'npm start and npm test on a bare Debian: as root, and as a user in an oddly named folder with ports taken',
  packages: [
    { name: 'debootstrap', proof: 'debootstrap', tests: 'the proof "bare-root"' },
    { name: 'util-linux', proof: 'unshare', tests: 'the proof "bare-root"' },
  ],
  needsRoot: true,
  prove,
};

async function prove(report) {
  const root = DebianRoot.make({ packages: ['git'], report });
  const remove = () => root.remove();
  process.once('exit', remove);
  try {
    installNode(root);
    cloneInto(root);
    await asRoot({ root, report });
    await asUser({ root, report });
  } finally {
    process.off('exit', remove);
    remove();
  }
}

async function asRoot({ root, report }) {
  const newcomer = { root, report, user: 'root', folder: '/root/sallyport' };
  await clone(newcomer);
  await start(newcomer);
  await test(newcomer, testsAsRoot);
}

/** Runs after the run as root, so the packages that only root can install are there. */
async function asUser({ root, report }) {
  const newcomer = { root, report, user: 'newcomer', folder: '/home/newcomer/Meine Geräte/sallyport' };
  await run({ root, report, user: 'root' }, ['useradd', '--create-home', 'newcomer']);
  const release = await holdPorts(popularPorts);
  try {
    await clone(newcomer);
    const advices = await start(newcomer);
    if (advices !== 1) throw new Error(`Ports ${popularPorts.join(' and ')} were taken, and the start did not say so.`);
    await test(newcomer);
  } finally {
    await release();
  }
}

async function clone({ root, report, user, folder }) {
  report(`as ${user}, in "${folder}"`);
  await run({ root, report, user }, ['git', 'clone', '--quiet', repository, folder]);
}

/**
 * Runs `npm start`, stores and reads a file, and presses Ctrl-C. If ports are in use, it follows the printed advice.
 *
 * @returns how often it followed the advice
 */
async function start({ root, report, user, folder }, advices = 0) {
  report('$ npm start');
  const program = new Program(root.spawn(['npm', 'start'], { user, cwd: folder }), report);
  const [said] = await program.says(/^Ctrl-C stops everything|^Sallyport does not run/m, startDeadlineMs);
  if (said.startsWith('Sallyport')) {
    await program.end(shortMs);
    if (advices > 0) throw new Error('The advice was followed, and ports are taken still.');
    await followAdvice({ root, report, user, folder }, program.output);
    return start({ root, report, user, folder }, advices + 1);
  }
  await moveFile(program.output);
  program.interrupt();
  await program.end(shortMs);
  return advices;
}

async function followAdvice({ root, report, user, folder }, output) {
  const commands = [...output.matchAll(/^ {2}(npx sallyport config set .*)$/gm)].map(([, command]) => command);
  if (commands.length === 0) throw new Error('The start names taken ports, and no command that chooses others.');
  for (const command of commands) {
    report(`$ ${command}`);
    await run({ root, report, user, cwd: folder }, ['sh', '-c', command]);
  }
}

async function moveFile(output) {
  const [url] = /http:\/\/localhost:\d+\/tedge\/file-transfer\//.exec(output) ?? [];
  if (url === undefined) throw new Error('The start does not say where files are moved.');
  const put = await fetch(`${url}proof.txt`, { method: 'PUT', body: 'proof', signal: AbortSignal.timeout(10_000) });
  const get = await fetch(`${url}proof.txt`, { signal: AbortSignal.timeout(10_000) });
  const [status, text] = [put.status, await get.text()];
  if (status !== 201 || text !== 'proof') throw new Error(`A file was answered ${status} and came back as "${text}".`);
}

async function test({ root, report, user, folder }, args = []) {
  const command = ['npm', 'test', ...args];
  report(`$ ${command.join(' ')}`);
  const program = new Program(root.spawn(command, { user, cwd: folder }), report);
  const exitCode = await program.end(testDeadlineMs);
  if (exitCode !== 0) throw new Error(`npm test ended with ${exitCode} as ${user}.\n${digestIn(program.output)}`);
}

async function run({ root, report, user, cwd }, command) {
  const exitCode = await new Program(root.spawn(command, { user, cwd }), report).end(shortMs);
  if (exitCode !== 0) throw new Error(`${command.join(' ')} ended with ${exitCode} as ${user}.`);
}

/** Copies the Node and npm that run this script. */
function installNode(root) {
  const node = process.env.npm_node_execpath ?? process.execPath;
  const npm = dirname(dirname(process.env.npm_execpath ?? join(dirname(node), '../lib/node_modules/npm/bin/x')));
  if (!existsSync(join(npm, 'node_modules')))
    throw new Error(
      `${npm} is no npm that can be copied: it has its packages elsewhere. Use the one that comes with Node.`,
    );
  cpSync(node, root.file('/usr/local/bin/node'), { dereference: true });
  mkdirSync(root.file('/usr/local/lib/node_modules'), { recursive: true });
  cpSync(npm, root.file('/usr/local/lib/node_modules/npm'), { recursive: true });
  for (const name of ['npm', 'npx'])
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, root.file(`/usr/local/bin/${name}`));
}

/** Copies only what is committed, because others can clone only that. */
function cloneInto(root) {
  // Trust the checkout and the copy, whichever user owns them: git runs nothing from them.
  const config = root.file('/etc/gitconfig');
  writeFileSync(config, '[safe]\n\tdirectory = *\n');
  const args = ['clone', '--quiet', '--bare', '--no-local', checkout, root.file(repository)];
  const { status } = spawnSync('git', args, {
    env: { ...process.env, GIT_CONFIG_GLOBAL: config },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) throw new Error('git could not clone the checkout.');
}
