import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { AuditLog } from '@sallyport/audit';
import { PeriodicWork } from '@sallyport/concurrency';
import { type ClientCa, type ConnectorName, clientCaExpiring } from '@sallyport/protocol';
import { Clock, Log } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { z } from 'zod';
import { DeviceAnnouncements } from '../devices/device-announcements.js';
import { warningDays, warningFor } from '../expiry/expiry-warning.js';
import { Connectors } from './connectors.js';
import { CrlRefresh } from './crl-refresh.js';

/** A Client CA that is in force, and its connector. */
export interface WatchedClientCa {
  readonly connector: ConnectorName;
  readonly clientCa: ClientCa;
}

const lookEveryMs = 10 * 60_000;
const storedWarning = z.strictObject({ notAfter: z.iso.datetime(), days: warningDays });

/**
 * Looks after the Client CAs: warns before they end, and fetches their revocation lists. Without it, a whole fleet that
 * was made under one CA would stop on one day. Keys: `client-ca-warning/<connector>/<CA>` the last warning.
 */
@Injectable()
export class ClientCaWatch implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly looking: PeriodicWork;

  constructor(
    private readonly store: Store,
    private readonly connectors: Connectors,
    private readonly audit: AuditLog,
    private readonly announcements: DeviceAnnouncements,
    private readonly crls: CrlRefresh,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.looking = new PeriodicWork({
      everyMs: lookEveryMs,
      work: (signal) => this.look(signal),
      onError: (error) => this.log.warn({ error }, 'Client CAs could not be looked at'),
    });
  }

  /** Looks now, and then every 10 minutes. The start does not wait for it. */
  onApplicationBootstrap(): void {
    this.looking.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.looking.stop();
  }

  /** Looks at each Client CA once. What goes wrong with one is logged, and tried again the next time. */
  async look(signal?: AbortSignal): Promise<void> {
    const { byName } = await this.connectors.inForce();
    const watched = [...byName.values()].flatMap(({ name: connector, clientCas }) =>
      clientCas.map((clientCa) => ({ connector, clientCa })),
    );
    for (const each of watched) {
      if (signal?.aborted === true) return;
      await this.attempt(each, 'warn of the end of a Client CA', () => this.warn(each));
      await this.attempt(each, 'fetch the revocation list of a Client CA', () => this.crls.refresh(each));
    }
  }

  private async attempt(
    { connector, clientCa }: WatchedClientCa,
    what: string,
    step: () => Promise<void>,
  ): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.log.warn({ error, connector, clientCa: clientCa.id, what }, 'Client CA needs a look');
    }
  }

  /** Each warning is given once, by whichever replica comes first. */
  private async warn(watched: WatchedClientCa): Promise<void> {
    const { connector, clientCa } = watched;
    const { id, label } = clientCa;
    const notAfter = lastEnd(clientCa);
    const days = warningFor(notAfter, this.clock.now());
    const key = `client-ca-warning/${connector}/${id}`;
    const entry = await this.store.get(key);
    const given = storedWarning.safeParse(entry?.value).data;
    if (days === undefined || (given?.notAfter === notAfter && given.days <= days)) return;
    const warning = { connector, clientCa: id, label, notAfter, days };
    const isFirst = await this.audit.commit({
      compares: [{ key, revision: entry?.revision ?? 0 }],
      operations: [{ put: key, value: { notAfter, days } }, this.announcements.announce(clientCaExpiring, warning)],
      entries: [
        {
          actor: 'device-registry',
          action: 'client-ca-expiring',
          subject: id,
          outcome: 'succeeded',
          details: { connector, label, notAfter, days },
        },
      ],
    });
    if (isFirst) this.log.warn({ ...warning }, 'Client CA ends soon; its devices stop then');
  }
}

/** The end of the certificate that lasts longest. */
function lastEnd({ certificates }: ClientCa): string {
  return certificates
    .map(({ notAfter }) => notAfter)
    .reduce((one, other) => (Date.parse(one) > Date.parse(other) ? one : other));
}
