import { Agent, type RequestOptions, request } from 'node:https';
import { text } from 'node:stream/consumers';
import { cpuMillisecondsOf } from '../process/cpu-time.js';

/** One request of a load run. */
export interface LoadRequest {
  readonly path: string;
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** PEM, for mutual TLS. */
  readonly cert?: string;
  readonly key?: string;
}

export interface LoadTarget {
  readonly port: number;
  readonly rootPem: string;
  /** Process id of the server, whose CPU time counts. */
  readonly pid: number;
}

export interface LoadResult {
  readonly perSecond: number;
  /** CPU time of the server for each request, in milliseconds. */
  readonly cpuMs: number;
  readonly bodies: readonly string[];
}

const parallel = 16;

/** Sends every request once, sixteen at a time, and measures the CPU time of the server. */
export async function runLoad(
  { port, rootPem, pid }: LoadTarget,
  requests: readonly LoadRequest[],
  { keepAlive }: { readonly keepAlive: boolean },
): Promise<LoadResult> {
  const agent = new Agent({ keepAlive, maxSockets: parallel, maxCachedSessions: 0 });
  const bodies: string[] = new Array(requests.length);
  const queue = requests.entries();
  const [startedAt, cpuBefore] = [performance.now(), cpuMillisecondsOf(pid)];
  const work = async (worker: number): Promise<void> => {
    // Each worker uses its own address, because the signer limits the requests of one address.
    const target = { host: '127.0.0.1', servername: 'localhost', port, ca: rootPem, agent };
    for (const [index, each] of queue)
      bodies[index] = await send({ ...target, localAddress: `127.0.0.${worker + 2}` }, each);
  };
  await Promise.all(Array.from({ length: parallel }, (_, worker) => work(worker)));
  const seconds = (performance.now() - startedAt) / 1000;
  const cpuMs = (cpuMillisecondsOf(pid) - cpuBefore) / requests.length;
  agent.destroy();
  return { perSecond: requests.length / seconds, cpuMs, bodies };
}

function send(target: RequestOptions, { body, ...options }: LoadRequest): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ ...target, ...options }, (response) => {
      text(response).then((content) => {
        if (response.statusCode === 200) resolve(content);
        else reject(new Error(`${options.method} ${options.path} answered ${response.statusCode}: ${content}`));
      }, reject);
    });
    sent.once('error', reject).end(body);
  });
}
