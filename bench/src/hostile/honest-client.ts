import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionOptions } from 'node:tls';

/** An address that no attack uses. */
const localAddress = '127.0.0.9';
const deadlineMs = 3_000;

/** The waiting times of an honest client, in milliseconds. */
export interface Waits {
  /** For an answer on a connection it keeps. */
  readonly kept: readonly number[];
  /** For a new connection and its answer. */
  readonly fresh: readonly number[];
  readonly failed: number;
}

export interface Watch {
  readonly device: ConnectionOptions;
  readonly port: number;
  readonly milliseconds: number;
}

async function fetchSmall({ device, port }: Watch, agent: Agent | false): Promise<void> {
  const path = '/te/v1/files/small';
  const call = request({ ...device, host: '127.0.0.1', port, path, agent, ...{ localAddress } });
  const deadline = setTimeout(() => call.destroy(new Error('no answer in time')), deadlineMs);
  try {
    const [response] = await once(call.end(), 'response');
    await once(response.resume(), 'end');
  } finally {
    clearTimeout(deadline);
  }
}

/** Sends requests with a pause in between, until the time is over. */
async function ask(watch: Watch, agent: Agent | false, pauseMs: number) {
  const waits: number[] = [];
  let failed = 0;
  for (const end = performance.now() + watch.milliseconds; performance.now() < end; await sleep(pauseMs)) {
    const began = performance.now();
    await fetchSmall(watch, agent).then(
      () => waits.push(performance.now() - began),
      () => {
        failed += 1;
      },
    );
  }
  return { waits, failed };
}

/** Acts as a normal client for some time. */
export async function beHonest(watch: Watch): Promise<Waits> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const [kept, fresh] = await Promise.all([ask(watch, agent, 5), ask(watch, false, 50)]);
  agent.destroy();
  return { kept: kept.waits, fresh: fresh.waits, failed: kept.failed + fresh.failed };
}
