import { userInfo } from 'node:os';
import { type ProcessArguments, processArguments } from '@sallyport/config';
import { codeOrMessage } from '@sallyport/files';
import { reportStartFault, runCli } from './run-cli.js';
import { typedProgram } from './typed-program.js';

const { env, cwd } = givenArguments();
const interruption = new AbortController();
// Once only: the second Ctrl-C ends the process at once, as usual. SIGHUP: the terminal was closed.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => interruption.abort());

// The reader of our output has gone (`sallyport device list | head`). Undo what is half done, as at Ctrl-C.
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
  programName: typedProgram({ file: process.argv[1], env, cwd }),
});

// An incomplete output must not look complete. A reader that closed the pipe has what it wanted.
await new Promise((resolve) => process.stdout.write('', resolve));
if (outputFault !== '' && outputFault !== 'EPIPE') {
  process.stderr.write(`Error: The output could not be written (${outputFault}).\n`);
  process.exitCode = 1;
}

/** Nothing can start where the working folder has been deleted. */
function givenArguments(): ProcessArguments {
  try {
    return processArguments();
  } catch (fault) {
    process.exit(reportStartFault(fault, process.argv.slice(2), process.stderr));
  }
}

/** With sudo, the user who called sudo. In a container, the user id may have no name. */
function userName(): string | undefined {
  try {
    const { uid, username } = userInfo();
    return uid === 0 ? (env['SUDO_USER'] ?? username) : username;
  } catch {
    return undefined;
  }
}

// An interrupted read still waits for input, and would keep the process alive.
process.stdin.destroy();
