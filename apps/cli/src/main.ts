import { userInfo } from 'node:os';
import { basename } from 'node:path';
import { processArguments } from '@sallyport/config';
import { codeOrMessage } from '@sallyport/files';
import { runCli } from './run-cli.js';

const { env, cwd } = processArguments();
// npx sets this; what the user types next must work as it is shown.
const { npm_command: npmCommand } = env;
const interruption = new AbortController();
// Once: the second Ctrl-C ends the process at once, as the system does it. SIGHUP: the terminal was closed.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => interruption.abort());

// Whoever read our output has gone (`sallyport device list | head`): what is under way is taken back as at Ctrl-C.
let outputFault = '';
for (const output of [process.stdout, process.stderr])
  output.on('error', (error) => {
    outputFault ||= codeOrMessage(error);
    interruption.abort();
  });

process.exitCode = await runCli(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  env,
  cwd,
  now: () => new Date(),
  signal: interruption.signal,
  userName: userName(),
  programName: `${npmCommand === 'exec' ? 'npx ' : ''}${commandName(process.argv[1])}`,
});

// Nobody is to take half of an output for all of it. A reader that left has what it wanted.
await new Promise((resolve) => process.stdout.write('', resolve));
if (outputFault !== '' && outputFault !== 'EPIPE') {
  process.stderr.write(`Error: The output could not be written (${outputFault}).\n`);
  process.exitCode = 1;
}

/** An installed program is a bundle called `main.js` behind a script, and nobody types that name. */
function commandName(file: string | undefined): string {
  const name = basename(file ?? '').replace(/\.m?js$/, '');
  return ['', 'main'].includes(name) ? 'sallyport' : name;
}

/** Behind sudo, the user who called it. A container may run under an id without a name. */
function userName(): string | undefined {
  try {
    const { uid, username } = userInfo();
    return uid === 0 ? (env['SUDO_USER'] ?? username) : username;
  } catch {
    return undefined;
  }
}

// A read that was interrupted is still waiting for input, and would keep the process.
process.stdin.destroy();
