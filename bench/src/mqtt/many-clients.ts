import { RawMqtt } from '@sallyport/testkit';
import type { LoadedServer } from './load.js';

/** Handshakes at a time. */
const parallel = 32;

export interface ManyClients {
  readonly count: number;
  /** Number of the first one; default 0. */
  readonly first?: number;
  readonly keepAliveSeconds: number;
}

/** Opens so many sessions, each with the credentials of another client. They are in the order of these. */
export async function openMany(
  server: Pick<LoadedServer, 'publisherTarget'>,
  { count, first = 0, keepAliveSeconds }: ManyClients,
): Promise<RawMqtt[]> {
  const clients: RawMqtt[] = [];
  let begun = 0;
  const work = async (): Promise<void> => {
    while (begun < count) {
      const index = begun++;
      const session = { clientId: `client${first + index}`, keepAliveSeconds };
      clients[index] = await RawMqtt.open(server.publisherTarget(first + index), session);
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  return clients;
}
