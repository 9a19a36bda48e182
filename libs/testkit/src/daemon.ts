import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { explainMissing } from './debian.js';
import { freePort } from './free-port.js';
import { onProcessExit } from './process-exit.js';
import { environmentOf } from './program-environment.js';
import { waitFor } from './wait-for.js';

/** A server program run for a test. */
export interface Daemon extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  /** Everything it has written so far. */
  output(): string;
  /** Ends it with SIGTERM, after 3 s with SIGKILL. Safe to call twice. */
  stop(): Promise<void>;
  /** Ends it with SIGKILL, as a crash does. */
  kill(): Promise<void>;
}

export interface DaemonOptions {
  readonly program: string;
  /** Its arguments, given the port it must listen on. */
  readonly args: (port: number) => readonly string[] | Promise<readonly string[]>;
  /** Default: a free one. */
  readonly port?: number;
}

const attempts = 3;

/**
 * Starts a server program and waits until its port accepts connections.
 *
 * @throws Error naming the Debian package when the program is missing, else with what the program wrote
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    try {
      return await startOn(port, options);
    } catch (error) {
      // Another program may have taken the port in the meantime.
      const isTaken = error instanceof Error && /in use/i.test(error.message);
      if (!isTaken || options.port !== undefined || attempt >= attempts) throw error;
    }
  }
}

async function startOn(port: number, { program, args }: DaemonOptions): Promise<Daemon> {
  const child = spawn(program, await args(port), { env: environmentOf(program), stdio: ['ignore', 'pipe', 'pipe'] });
  const takeBack = onProcessExit(() => void child.kill('SIGKILL'));
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  const output = (): string => Buffer.concat(chunks).toString('utf8');
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    takeBack();
    await endProcess(child, signal);
  };
  try {
    await Promise.race([accepts(port, program), failure(child, program, output)]);
  } catch (error) {
    await end('SIGKILL');
    throw error;
  }
  const stop = (): Promise<void> => end('SIGTERM');
  return { port, pid: child.pid ?? 0, output, stop, kill: () => end('SIGKILL'), [Symbol.asyncDispose]: stop };
}

async function accepts(port: number, program: string): Promise<void> {
  await waitFor(() => canConnect(port), { what: `${program} to listen on port ${port}` });
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function failure(child: ChildProcess, program: string, output: () => string): Promise<never> {
  const spawned = new Promise<never>((_, reject) => {
    child.once('error', (error) => reject(explainMissing(program, error)));
  });
  await Promise.race([once(child, 'close'), spawned]);
  throw new Error(`${program} ended at once: ${output()}`);
}

async function endProcess(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill(signal);
  const hard = setTimeout(() => child.kill('SIGKILL'), 3_000);
  await closed;
  clearTimeout(hard);
}
