import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { explainMissing } from './debian.js';
import { environmentOf } from './program-environment.js';

export interface RunOptions {
  /** Written to standard input. */
  readonly input?: string | Buffer;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Milliseconds; default 20 000. */
  readonly deadlineMs?: number;
}

export interface ProgramResult {
  /** -1 when a signal ended it. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end, whatever its exit code.
 *
 * @throws Error naming the Debian package when the program is missing, or the deadline when it passed
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProgramResult> {
  const { input = '', cwd, env, deadlineMs = 20_000 } = options;
  const signal = AbortSignal.timeout(deadlineMs);
  const child = spawn(program, args, {
    signal,
    killSignal: 'SIGKILL',
    ...(cwd ? { cwd } : {}),
    env: environmentOf(program, env),
  });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  // A program may end without reading its input.
  child.stdin.on('error', () => child.stdin.destroy());
  child.stdin.end(input);
  try {
    const [code] = await once(child, 'close');
    return { exitCode: typeof code === 'number' ? code : -1, stdout: stdout(), stderr: stderr() };
  } catch (error) {
    if (signal.aborted)
      throw new Error(`${program} did not end within ${deadlineMs} ms: ${stderr()}`, { cause: error });
    throw explainMissing(program, error);
  }
}

/**
 * Runs a program that must succeed.
 *
 * @returns its standard output
 * @throws Error with its standard error when it exits with another code than 0
 */
export async function mustRun(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { exitCode, stdout, stderr } = await runProgram(program, args, options);
  if (exitCode !== 0) throw new Error(`${program} ${args.join(' ')} exited with ${exitCode}: ${stderr || stdout}`);
  return stdout;
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString('utf8');
}
