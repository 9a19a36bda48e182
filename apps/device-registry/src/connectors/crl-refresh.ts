import { Injectable } from '@nestjs/common';
import { Clock } from '@sallyport/runtime';
import { ClientCaCrls } from './client-ca-crls.js';
import type { WatchedClientCa } from './client-ca-watch.js';
import { CrlFetch } from './crl-fetch.js';

const hourMs = 3_600_000;
/** A list is fetched anew after half of its time, at least once a day, and at most once an hour. */
const longestMs = 24 * hourMs;

/** Keeps fetched revocation lists current. */
@Injectable()
export class CrlRefresh {
  /** When each list was asked for last, in this process. */
  private readonly askedAt = new Map<string, number>();

  constructor(
    private readonly crls: ClientCaCrls,
    private readonly crlFetch: CrlFetch,
    private readonly clock: Clock,
  ) {}

  /** Fetches the list of a Client CA when it is time. @throws Problem as `CrlFetch.fetch` and `ClientCaCrls.take` say */
  async refresh({ connector, clientCa }: WatchedClientCa): Promise<void> {
    const { id, crl } = clientCa;
    if (crl.mode === 'off' || crl.url === undefined || !(await this.isDue(id))) return;
    this.askedAt.set(id, this.clock.now().getTime());
    await this.crlFetch.fetch(clientCa, (list) =>
      this.crls.take(list, { connector, clientCa, source: 'fetched', actor: 'device-registry' }),
    );
  }

  private async isDue(id: WatchedClientCa['clientCa']['id']): Promise<boolean> {
    const now = this.clock.now().getTime();
    const asked = this.askedAt.get(id);
    if (asked === undefined) return true;
    const inForce = await this.crls.describe(id);
    // Without a list, and after a failure, it is tried more often.
    if (inForce === undefined || (await this.crlFetch.faultOf({ id })) !== undefined) return true;
    const { thisUpdate, nextUpdate } = inForce;
    const lifetimeMs = nextUpdate === undefined ? longestMs : Date.parse(nextUpdate) - Date.parse(thisUpdate);
    return now - asked >= Math.min(longestMs, Math.max(hourMs, lifetimeMs / 2));
  }
}
