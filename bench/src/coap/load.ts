import { type CoapClient, connectCoap } from '@sallyport/coap-wire/testing';
import { cpuMillisecondsOf } from '../process/cpu-time.js';
import type { Contestant, Stage } from './contestants.js';

export interface Round {
  readonly cpuMicroseconds: number;
  readonly perSecond: number;
}

/** How many connect at once. */
const connecting = 16;

/** Devices with connections that stay. */
export class Devices {
  private constructor(
    readonly contestant: Contestant,
    private readonly clients: readonly CoapClient[],
  ) {}

  static async connect(contestant: Contestant, { ca, device }: Stage, count: number): Promise<Devices> {
    const tls = { ca: ca.certPem, cert: device.certPem, key: device.keyPem };
    const clients: CoapClient[] = [];
    let left = count;
    const connect = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        clients.push(await connectCoap({ port: contestant.port, tls, limits: { silenceMs: 3_600_000 } }));
      }
    };
    await Promise.all(Array.from({ length: Math.min(connecting, count) }, connect));
    await Promise.all(clients.map(({ opened }) => opened));
    return new Devices(contestant, clients);
  }

  /**
   * Each device asks for the time again when it has the answer.
   *
   * @param atOnce requests that each device has under way
   */
  async run(milliseconds: number, atOnce: number): Promise<Round> {
    const { pid, path } = this.contestant;
    const [before, startedAt] = [cpuMillisecondsOf(pid), performance.now()];
    const end = startedAt + milliseconds;
    let requests = 0;
    const ask = async (client: CoapClient): Promise<void> => {
      for (; performance.now() < end; requests += 1) {
        const { code } = await client.ask(path);
        if (code !== '2.05') throw new Error(`${this.contestant.name} answered ${code}`);
      }
    };
    await Promise.all(this.clients.flatMap((client) => Array.from({ length: atOnce }, () => ask(client))));
    const seconds = (performance.now() - startedAt) / 1000;
    return {
      cpuMicroseconds: ((cpuMillisecondsOf(pid) - before) * 1000) / requests,
      perSecond: requests / seconds,
    };
  }

  async close(): Promise<void> {
    for (const client of this.clients) await client[Symbol.asyncDispose]();
  }
}
