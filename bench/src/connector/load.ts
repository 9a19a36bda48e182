import type { TestCertificate } from '@sallyport/testkit';
import { LoadConnection, type LoadRequest } from '../file-transfer/load-connection.js';
import { cpuMillisecondsOf } from '../process/cpu-time.js';
import type { Contestant } from './contestants.js';

export interface Round {
  readonly cpuMicroseconds: number;
  readonly perSecond: number;
}

const body = Buffer.from('temperature=50');
/** What a device sends for one value. */
export const write: LoadRequest = { method: 'POST', path: '/api:v1/stack/alias', bodyBytes: body.length, body };

/** Devices with kept connections, each sending its next value when the one before is acknowledged. */
export class Devices {
  private constructor(
    readonly contestant: Contestant,
    private readonly connections: readonly LoadConnection[],
  ) {}

  static async connect(contestant: Contestant, certificates: readonly TestCertificate[]): Promise<Devices> {
    const { port, caPem } = contestant;
    const open = ({ certPem, keyPem }: TestCertificate) => LoadConnection.open({ port, caPem, certPem, keyPem });
    // The first connection of an unknown network is served with more care, and more CPU, for as long as it lives. Devices
    // that keep their connections come from networks that are known.
    for (const certificate of certificates.slice(0, 1)) {
      const first = await open(certificate);
      await first.exchange(write);
      first.close();
    }
    return new Devices(contestant, await Promise.all(certificates.map(open)));
  }

  async run(milliseconds: number): Promise<Round> {
    const { pid } = this.contestant;
    const [startedAt, before] = [performance.now(), cpuMillisecondsOf(pid)];
    const end = startedAt + milliseconds;
    let requests = 0;
    const send = async (connection: LoadConnection): Promise<void> => {
      for (; performance.now() < end; requests += 1) await connection.exchange(write);
    };
    await Promise.all(this.connections.map(send));
    const seconds = (performance.now() - startedAt) / 1000;
    return {
      cpuMicroseconds: ((cpuMillisecondsOf(pid) - before) * 1000) / requests,
      perSecond: requests / seconds,
    };
  }

  close(): void {
    for (const connection of this.connections) connection.close();
  }
}
