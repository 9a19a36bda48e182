import { readFile, writeFile } from 'node:fs/promises';
import { cpuPartsOf } from '../process/cpu-time.js';
import type { Contestant } from './contestants.js';
import { LoadConnection, type LoadRequest } from './load-connection.js';

/** The result of a server in one round. */
export interface Round {
  readonly cpuMicrosecondsPerRequest: number;
  /** The part of the CPU time that was spent in the kernel. */
  readonly kernelMicrosecondsPerRequest: number;
  readonly requestsPerSecond: number;
}

export interface Load {
  readonly method: 'GET' | 'PUT';
  readonly bytes: number;
  readonly connections: number;
  /** Minimum duration of a round. Each connection also sends at least one request. */
  readonly milliseconds: number;
}

// A limited number of names, so that a PUT sometimes replaces a file, and the directory does not grow.
const differentFiles = 32;

/** Puts load on a server for one round. */
export async function runRound(contestant: Contestant, load: Load): Promise<Round> {
  const connections = await Promise.all(
    Array.from({ length: load.connections }, () => LoadConnection.open(contestant.address)),
  );
  try {
    const [startedAt, before] = [performance.now(), cpuPartsOf(contestant.pid)];
    const deadline = startedAt + load.milliseconds;
    const counts = await Promise.all(
      connections.map((each, index) => loop(each, requestsOf(contestant, load, index), deadline)),
    );
    const requests = counts.reduce((sum, count) => sum + count, 0);
    const after = cpuPartsOf(contestant.pid);
    const kernelMilliseconds = after.kernel - before.kernel;
    return {
      cpuMicrosecondsPerRequest: ((after.user - before.user + kernelMilliseconds) * 1000) / requests,
      kernelMicrosecondsPerRequest: (kernelMilliseconds * 1000) / requests,
      requestsPerSecond: (requests * 1000) / (performance.now() - startedAt),
    };
  } finally {
    for (const connection of connections) connection.close();
  }
}

/** Peak resident memory of a process since `forgetPeak`, in megabytes. */
export async function peakMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return (Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024) / 1e6;
}

/** Resets the peak to the memory that is resident now. */
export async function forgetPeak(pid: number): Promise<void> {
  // proc(5): 5 resets the peak resident set size.
  await writeFile(`/proc/${pid}/clear_refs`, '5');
}

async function loop(
  connection: LoadConnection,
  requestAt: (turn: number) => LoadRequest,
  deadline: number,
): Promise<number> {
  let turn = 0;
  do {
    await connection.exchange(requestAt(turn));
    turn += 1;
  } while (performance.now() < deadline);
  return turn;
}

function requestsOf(
  { prefix }: Contestant,
  { method, bytes }: Load,
  connection: number,
): (turn: number) => LoadRequest {
  if (method === 'GET') return () => ({ method, path: `${prefix}get-${bytes}`, bodyBytes: 0 });
  // Few requests with large files, because here the result is the memory.
  const files = bytes > 1e8 ? 1 : differentFiles;
  return (turn) => ({ method, path: `${prefix}put-${bytes}-${connection}-${turn % files}`, bodyBytes: bytes });
}
