import { type Duplex, duplexPair } from 'node:stream';
import { TurnBudgets, TurnWriter } from '@sallyport/mqtt-wire';
import { MqttAccess, Problem } from '@sallyport/protocol';
import type { Store } from '@sallyport/store';
import { type AccessRules, type BrokerPeer, isAnonymous, type Origin, ownerOf, tableRules } from './access-rules.js';
import { type BrokerCore, coreInMemory, coreOnDisk } from './broker-core.js';
import { Client, type ClientOptions } from './client.js';
import { type BrokerCounters, type BrokerFigures, newCounters } from './counters.js';
import type { Journal } from './journal/journal.js';
import { type JournalDisk, openJournalFolder } from './journal/journal-disk.js';
import { type BrokerLimits, defaultBrokerLimits } from './limits.js';

export interface EmbeddedBrokerOptions {
  /**
   * Folder of the journal: kept sessions, their queues, and retained messages survive a crash. It is made when it is not
   * there. Without it everything is lost when the process ends.
   */
  readonly directory?: string;
  /** Where an earlier release kept the same; it is moved to the journal once. */
  readonly store?: Store;
  readonly limits?: Partial<BrokerLimits>;
  /** Default: the access table without rules of a site. */
  readonly rules?: AccessRules;
  readonly onWarning?: (text: string, fields: Readonly<Record<string, unknown>>) => void;
  /** How the folder is opened; default the folder itself. */
  readonly openDisk?: (directory: string) => Promise<JournalDisk>;
  /** Milliseconds since 1970; default the clock of the machine. */
  readonly now?: () => number;
  /** Milliseconds that nobody can set back or forward; default `performance.now`. */
  readonly uptime?: () => number;
}

/** What an entrance knows of a connection besides its peer. */
export interface ConnectionFacts {
  /** The part of the address that the client cannot choose. Clients without an identity share by it. */
  readonly network?: string;
  /** Aborted when the entrance is about to end the connection: a client of MQTT 5 is told. */
  readonly draining?: AbortSignal;
}

// How often silent and slow clients are looked for, in milliseconds.
const checkEveryMs = 250;

/**
 * The MQTT broker of Sallyport.
 *
 * Services connect in memory. Clients of the network connect through an entrance, which ends their connections when they
 * are revoked. A session belongs to the identity that the certificate proved. The client id only distinguishes sessions
 * of one identity. What has to be kept is in the journal before it is acknowledged, and what cannot be kept is not
 * acknowledged.
 */
export class EmbeddedBroker {
  /** Resolves when clients are being served; rejects when what an earlier run left cannot be read. */
  readonly ready: Promise<void>;
  readonly counters: BrokerCounters = newCounters();
  private readonly limits: BrokerLimits;
  private readonly rules: AccessRules;
  private readonly writer = new TurnWriter();
  private readonly budgets = new TurnBudgets();
  private readonly served = new Set<Client>();
  private readonly warn: NonNullable<EmbeddedBrokerOptions['onWarning']>;
  private core: BrokerCore | undefined;
  private journal: Journal | undefined;
  private timer: NodeJS.Timeout | undefined;
  private networkClients = 0;
  private isClosing = false;
  private admitsAnonymous = true;

  constructor(private readonly options: EmbeddedBrokerOptions = {}) {
    this.limits = { ...defaultBrokerLimits, ...options.limits };
    this.rules = this.withoutAbsentAnonymous(options.rules ?? tableRules(new MqttAccess()));
    this.warn = options.onWarning ?? ((text, fields) => process.emitWarning(`${text} ${JSON.stringify(fields)}`));
    this.ready = this.start();
    this.ready.catch((error: unknown) => {
      // Who waits for `ready` gets this message, and it says all there is.
      if (error instanceof Problem && error.type === 'conflict') return;
      this.warn('the broker could not start', { error });
    });
  }

  /** Connections from the network at the moment. */
  get clients(): number {
    return this.networkClients;
  }

  get figures(): BrokerFigures {
    const { core, journal } = this;
    return {
      connections: this.served.size,
      sessions: core?.sessions.size ?? 0,
      queuedBytes: core?.sessions.queuedBytes ?? 0,
      retainedMessages: core?.retained.size ?? 0,
      journalBytes: journal?.bytesOnDisk ?? 0,
      journalCommits: journal?.counters.commits ?? 0,
      journalWriteSeconds: journal?.counters.writingSeconds ?? 0,
      journalFailedWrites: journal?.counters.failedWrites ?? 0,
      journalFailing: Number(journal?.isFailing ?? false),
    };
  }

  /**
   * A connection for a service of this process: write MQTT into it, read MQTT out of it.
   *
   * @param peer who it is to the access rules, for a service whose topics the site chooses. Absent: a service that may use
   *   every topic but those of the broker.
   */
  openStream(peer?: BrokerPeer): Duplex {
    const [serviceSide, brokerSide] = duplexPair();
    // A socket closes when the other side has closed. This pair would stay half open for ever.
    serviceSide.once('end', () => serviceSide.destroy());
    const origin: Origin = peer === undefined ? { kind: 'service' } : { kind: 'network', peer };
    void this.serve(brokerSide, origin, { network: 'memory' });
    return serviceSide;
  }

  /**
   * Serves a client of the network; made for the `stream` handler of a secure listener.
   *
   * @param peer who it is, when it proved that
   */
  accept(stream: Duplex, peer: BrokerPeer | undefined, facts: ConnectionFacts = {}): void {
    if (this.networkClients >= this.limits.clients) {
      this.core?.log.warn('a client was turned away, the broker is full', '', { clients: this.networkClients });
      stream.destroy();
      return;
    }
    this.networkClients += 1;
    stream.once('close', () => {
      this.networkClients -= 1;
    });
    void this.serve(stream, { kind: 'network', peer }, facts);
  }

  /**
   * Says whether clients without an identity may connect at present. While they may not, nothing reaches the sessions
   * they left: a device would go on speaking to somebody whom nobody has asked who it is.
   */
  admitAnonymous(isAdmitted: boolean): void {
    if (isAdmitted === this.admitsAnonymous) return;
    this.admitsAnonymous = isAdmitted;
    this.rulesChanged();
  }

  /** Ends the sessions that clients without an identity left, and frees what waits for them. */
  endAnonymous(): void {
    for (const session of this.core?.sessions ?? [])
      if (isAnonymous(session.origin) && session.holder === undefined) this.core?.sessions.end(session);
  }

  /** The access rules have changed: what was decided for topics is decided anew. */
  rulesChanged(): void {
    this.core?.router.rulesChanged();
  }

  /** Ends every connection and writes what is not on disk yet. Safe to call twice. */
  async close(): Promise<void> {
    // A broker that could not start has logged that, and has nothing to close.
    await this.ready.catch(() => undefined);
    if (this.isClosing) return;
    this.isClosing = true;
    clearInterval(this.timer);
    for (const client of this.served) client.stop();
    await this.journal?.close();
  }

  private async start(): Promise<void> {
    const { directory, store, now = Date.now, openDisk = openJournalFolder } = this.options;
    const { uptime = () => performance.now() } = this.options;
    const options = {
      limits: this.limits,
      rules: this.rules,
      counters: this.counters,
      now,
      uptime,
      onWarning: this.warn,
    };
    if (directory === undefined) this.core = coreInMemory(options);
    else {
      const kept = await coreOnDisk(await openDisk(directory), store, options);
      this.core = kept.core;
      this.journal = kept.journal;
    }
    this.timer = setInterval(() => this.checkTimes(), checkEveryMs).unref();
  }

  private async serve(stream: Duplex, origin: Origin, facts: ConnectionFacts): Promise<void> {
    // An error before the connection is served must end the connection, not the process.
    stream.on('error', () => undefined);
    try {
      await this.ready;
      if (this.core === undefined || stream.destroyed || this.isClosing) stream.destroy();
      else this.addClient(this.core, { network: '', ...facts, stream, origin });
    } catch (error) {
      stream.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private addClient(core: BrokerCore, connection: Omit<ClientOptions, 'writer'>): void {
    const { limits, rules, counters } = this;
    const context = {
      limits,
      rules,
      counters,
      journal: core.journal,
      sessions: core.sessions,
      router: core.router,
      wills: core.wills,
      log: core.log,
      onClosed: (client: Client) => void this.served.delete(client),
    };
    this.served.add(new Client(context, { ...connection, ...this.budgetOf(connection), writer: this.writer }));
  }

  /** A service of this process has no budget. */
  private budgetOf({ origin, network, stream }: Omit<ClientOptions, 'writer'>): Pick<ClientOptions, 'budget'> {
    if (origin.kind === 'service') return {};
    const owner = ownerOf(origin, network);
    stream.once('close', () => this.budgets.release(owner));
    return { budget: this.budgets.acquire(owner) };
  }

  private withoutAbsentAnonymous(rules: AccessRules): AccessRules {
    const mayReceive = (origin: Origin, topic: string) =>
      (this.admitsAnonymous || !isAnonymous(origin)) && rules.mayReceive(origin, topic);
    return { ...rules, mayReceive };
  }

  private checkTimes(): void {
    const now = performance.now();
    for (const client of this.served) client.checkTime(now);
    this.core?.checkTime();
  }
}
