import { createServer, type Server } from 'node:net';
import { SerialQueue } from '@sallyport/concurrency';
import { Problem, type RefusalReason, type SecurityLevel } from '@sallyport/protocol';
import { ConnectionAcceptor } from './connection-acceptor.js';
import { defaultLimits, type Limits } from './limits.js';
import { ListenerCounters, type ListenerCounts } from './listener-counters.js';
import type { SecureListenerOptions } from './listener-options.js';
import type { SessionInfo } from './listener-session.js';
import type { Peer } from './peer.js';
import { prepareSecurity, type SecurityState } from './security-state.js';
import { levelOf, type SecuritySettings } from './settings.js';

/** Connections the kernel may hold for us while we are busy; Linux caps it at `net.core.somaxconn`. */
const backlog = 4096;

/** TCP asks a silent peer this often whether it is still there, in milliseconds. */
const tcpKeepAliveMs = 60_000;

/**
 * A port where trust is decided: plain text, TLS, or mutual TLS, by which settings are present.
 *
 * Each connection passes in this order: places left, first byte (TLS or not), handshake within its deadline, OpenSSL's
 * verdict on the chain, our own checks of chain and leaf, the CA whose key really signed, the admission port, the
 * table of live sessions. Only then does the handler see a byte. Every refusal has a reason of `refusals` in
 * `@sallyport/protocol`, a count and an event. Plain HTTP where TLS is spoken is answered 307 to https.
 */
export class SecureListener {
  readonly #options: SecureListenerOptions;
  readonly #limits: Limits;
  readonly #counters: ListenerCounters;
  #settings: SecuritySettings;
  #server: Server | undefined;
  #acceptor: ConnectionAcceptor | undefined;
  #opened: Promise<unknown> | undefined;
  readonly #changes = new SerialQueue();

  constructor(options: SecureListenerOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.handler.limits, ...options.limits };
    this.#settings = options.security;
    this.#counters = new ListenerCounters((event) => options.events.onCounted?.(event));
  }

  /** Security level in force. */
  get level(): SecurityLevel {
    return this.#acceptor?.security.level ?? levelOf(this.#settings);
  }

  /** Live, admitted connections, plain ones included. */
  get sessions(): readonly SessionInfo[] {
    return [...(this.#acceptor?.sessions ?? [])]
      .filter((each) => each.isEstablished && !each.isOver)
      .map((each) => each.info);
  }

  /** Refusals since the listener was made, by reason. */
  get refusalCounts(): ReadonlyMap<RefusalReason, number> {
    return this.#counters.refusals;
  }

  get counters(): Readonly<ListenerCounts> {
    return this.#counters.counters;
  }

  /**
   * Opens the port.
   *
   * @returns where it listens; the port is the real one when 0 was asked for.
   * @throws Problem `config-invalid`: the settings are incomplete or unusable, or the address cannot be used.
   * @throws Problem `conflict`: it has been opened before.
   */
  async listen(): Promise<{ host: string; port: number }> {
    if (this.#opened !== undefined) throw new Problem('conflict', `Listener "${this.#options.name}" is open already.`);
    const opened = this.#changes.run(() => this.#listen());
    this.#opened = opened.catch(() => {
      this.#opened = undefined;
    });
    return await opened;
  }

  async #listen(): Promise<{ host: string; port: number }> {
    const { name, host } = this.#options;
    const acceptor = new ConnectionAcceptor({
      options: this.#options,
      limits: this.#limits,
      counters: this.#counters,
      security: await this.#prepare(this.#settings),
    });
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: tcpKeepAliveMs }, (socket) =>
      acceptor.accept(socket),
    );
    try {
      const port = await bind(server, this.#options);
      // An accept that fails (no file descriptor left) leaves the connection in the backlog; the port stays open.
      server.on('error', (error) =>
        this.#options.events.onWarning('a connection could not be accepted', { listener: name, error }),
      );
      this.#server = server;
      this.#acceptor = acceptor;
      return { host, port };
    } catch (error) {
      acceptor.close();
      throw error;
    }
  }

  /**
   * Changes certificate, key, trusted CAs or level without closing the port. Sessions that would be admitted now go
   * on; those whose CA is no longer trusted are cut; those that lack what a stricter level asks for finish the
   * requests in flight, and the next request is redirected to a new connection. Reloads take effect in order.
   *
   * @throws Problem `config-invalid`: the new settings are unusable; the former ones stay in force.
   */
  reload(security: SecuritySettings): Promise<void> {
    return this.#changes.run(() => this.#reload(security));
  }

  async #prepare(settings: SecuritySettings): Promise<SecurityState> {
    const { name, events } = this.#options;
    const security = await prepareSecurity(name, settings);
    for (const warning of security.warnings) events.onWarning(warning, { listener: name });
    return security;
  }

  async #reload(settings: SecuritySettings): Promise<void> {
    const security = await this.#prepare(settings);
    this.#settings = settings;
    this.#acceptor?.applySecurity(security);
  }

  /**
   * Ends, at once, every session whose peer no longer passes; also while its admission is being asked for.
   *
   * @param match  the reason to end a peer's sessions, or undefined to leave them.
   * @returns how many sessions were ended.
   */
  refuseSessions(match: (peer: Peer) => RefusalReason | undefined): number {
    let ended = 0;
    for (const session of this.#acceptor?.sessions ?? []) {
      const { subject, isCut } = session;
      const reason = subject === undefined || isCut ? undefined : match(subject);
      if (reason === undefined) continue;
      this.#acceptor?.cut(session, reason);
      ended += 1;
    }
    return ended;
  }

  /**
   * Asks the admission port again about every session whose peer matches, a few at a time, and ends those it no longer
   * admits. For an owner whose port has learnt something new, or may have missed something.
   *
   * @param options.graceMs  how long sessions live on while the port gives no answer, in milliseconds; by default one
   *   question without an answer ends them.
   */
  async revalidateSessions(
    match: (peer: Peer) => boolean,
    { graceMs = 0 }: { readonly graceMs?: number } = {},
  ): Promise<void> {
    const concerned = [...(this.#acceptor?.sessions ?? [])].filter(
      ({ subject }) => subject !== undefined && match(subject),
    );
    await this.#acceptor?.revalidate(concerned, { graceMs });
  }

  /**
   * Closes the port: takes no new connection, ends idle ones, and gives requests in flight `drainMs` to finish.
   * Resolves when the last connection is gone.
   */
  async close({ drainMs = this.#limits.drainMs }: { readonly drainMs?: number } = {}): Promise<void> {
    await this.#opened;
    const server = this.#server;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    this.#acceptor?.drain(drainMs);
    await closed;
    this.#acceptor?.close();
  }
}

function bind(server: Server, { name, host, port }: SecureListenerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) =>
      reject(
        new Problem(
          'config-invalid',
          `Listener "${name}" cannot use ${host} port ${port}: ${cause.message}. Stop the program that holds it, or choose another address.`,
          { cause },
        ),
      );
    server.once('error', fail);
    server.listen({ host, port, backlog }, () => {
      server.off('error', fail);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}
