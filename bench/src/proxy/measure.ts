import { LoadConnection, type LoadRequest } from '../file-transfer/load-connection.js';
import { cpuMillisecondsOf } from '../process/cpu-time.js';
import { quantileOf } from '../process/statistics.js';
import type { Contestant } from './contestants.js';
import { EchoSocket } from './web-socket-load.js';

/** One thing to do again and again on a connection. */
interface Worker {
  readonly run: () => Promise<void>;
  readonly close: () => void;
}

export interface Load {
  readonly name: string;
  readonly connections: number;
  /** Shortest time of a round; each connection does its work at least once. */
  readonly milliseconds: number;
  readonly open: (contestant: Contestant) => Promise<Worker>;
}

export interface Round {
  readonly cpuMicroseconds: number;
  readonly perSecond: number;
  readonly p50Ms: number;
}

/** Requests of one kind, each after the response to the one before. */
export const requests =
  (request: LoadRequest) =>
  async ({ port, prefix }: Contestant): Promise<Worker> => {
    const connection = await LoadConnection.open({ port });
    const whole = { ...request, path: prefix + request.path };
    return { run: () => connection.exchange(whole), close: () => connection.close() };
  };

/** Messages over a WebSocket, each after the one before has come back. */
export const echoes = async ({ port, prefix }: Contestant): Promise<Worker> => {
  const socket = await EchoSocket.open(port, `${prefix}/notification`);
  return { run: () => socket.echo(), close: () => socket.close() };
};

/** Puts load on a proxy for one round. */
export async function runRound(contestant: Contestant, load: Load): Promise<Round> {
  const workers = await Promise.all(Array.from({ length: load.connections }, () => load.open(contestant)));
  try {
    // The connections to the upstream are not what is measured.
    await Promise.all(workers.map(({ run }) => run()));
    const times: number[] = [];
    const [startedAt, before] = [performance.now(), cpuMillisecondsOf(contestant.pid)];
    await Promise.all(workers.map((worker) => repeat(worker, startedAt + load.milliseconds, times)));
    const cpuMilliseconds = cpuMillisecondsOf(contestant.pid) - before;
    return {
      cpuMicroseconds: (cpuMilliseconds * 1000) / times.length,
      perSecond: (times.length * 1000) / (performance.now() - startedAt),
      p50Ms: quantileOf(times, 0.5),
    };
  } finally {
    for (const worker of workers) worker.close();
  }
}

async function repeat({ run }: Worker, deadline: number, times: number[]): Promise<void> {
  let now = performance.now();
  do {
    const startedAt = now;
    await run();
    now = performance.now();
    times.push(now - startedAt);
  } while (now < deadline);
}
