import { createServer, type Server } from 'node:net';
import { SerialQueue } from '@sallyport/concurrency';
import { Problem, type RefusalReason, type SecurityLevel } from '@sallyport/protocol';
import { bindFault } from './bind-fault.js';
import { ConnectionAcceptor } from './connection-acceptor.js';
import { defaultLimits, type Limits } from './limits.js';
import { ListenerCounters, type ListenerCounts } from './listener-counters.js';
import type { SecureListenerOptions } from './listener-options.js';
import type { SessionInfo } from './listener-session.js';
import type { Peer } from './peer.js';
import { prepareSecurity, type SecurityState } from './security-state.js';
import { levelOf, type SecuritySettings } from './settings.js';

/** Connections the kernel queues while we are busy. Linux limits it to `net.core.somaxconn`. */
const backlog = 4096;

/** Interval of TCP keep-alive probes to a silent peer, in milliseconds. */
const tcpKeepAliveMs = 60_000;

/**
 * A port that speaks plain text, TLS, or mutual TLS, by which settings are present, and decides who may pass.
 *
 * Each connection passes these checks in this order: the connection quota, the first byte (TLS or not), the handshake
 * within its deadline, OpenSSL's check of the chain, our own checks of chain and leaf, the search for the CA whose key
 * signed, and the admission port. Then it is a live session, and the handler gets its first byte. Every refusal has a
 * reason of `refusals` in `@sallyport/protocol`, a count and an event. Plain HTTP on a TLS port is answered 307 to
 * https.
 */
export class SecureListener {
  private readonly options: SecureListenerOptions;
  private readonly limits: Limits;
  private readonly counts: ListenerCounters;
  private settings: SecuritySettings;
  private servers: readonly Server[] = [];
  private acceptor: ConnectionAcceptor | undefined;
  private opened: Promise<unknown> | undefined;
  private readonly changes = new SerialQueue();

  constructor(options: SecureListenerOptions) {
    this.options = options;
    this.limits = { ...defaultLimits, ...options.handler.limits, ...options.limits };
    this.settings = options.security;
    this.counts = new ListenerCounters((event) => options.events.onCounted?.(event));
  }

  /** Security level in force. */
  get level(): SecurityLevel {
    return this.acceptor?.security.current.level ?? levelOf(this.settings);
  }

  /** Live connections that the handler has, with or without a peer. */
  get sessions(): readonly SessionInfo[] {
    return [...(this.acceptor?.sessions ?? [])]
      .filter((each) => each.isEstablished && !each.isOver)
      .map((each) => each.info);
  }

  /** Refusals since the listener was made, by reason. */
  get refusalCounts(): ReadonlyMap<RefusalReason, number> {
    return this.counts.refusals;
  }

  get counters(): Readonly<ListenerCounts> {
    return this.counts.counters;
  }

  /**
   * Opens the port.
   *
   * @returns where it listens. The port is the real one when 0 was asked for.
   * @throws Problem `config-invalid`: the settings are incomplete or unusable, or the address cannot be used.
   * @throws Problem `conflict`: it has been opened before.
   */
  async listen(): Promise<{ host: string; port: number }> {
    if (this.opened !== undefined) throw new Problem('conflict', `Listener "${this.options.name}" is open already.`);
    const opened = this.changes.run(() => this.listenNow());
    this.opened = opened.catch(() => {
      this.opened = undefined;
    });
    return await opened;
  }

  private async listenNow(): Promise<{ host: string; port: number }> {
    const { host } = this.options;
    const acceptor = new ConnectionAcceptor({
      options: this.options,
      limits: this.limits,
      counters: this.counts,
      security: await this.prepare(this.settings),
    });
    const servers: Server[] = [];
    try {
      const port = await this.bindAll(servers, acceptor);
      this.servers = servers;
      this.acceptor = acceptor;
      return { host, port };
    } catch (error) {
      for (const server of servers) server.close();
      acceptor.close();
      throw error;
    }
  }

  /**
   * @param servers where each server is put that is bound
   * @returns the port, which is the same at every address
   */
  private async bindAll(servers: Server[], acceptor: ConnectionAcceptor): Promise<number> {
    const { name, host, moreHosts = [], events } = this.options;
    let { port } = this.options;
    for (const address of [host, ...moreHosts]) {
      const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: tcpKeepAliveMs }, (socket) =>
        acceptor.accept(socket),
      );
      port = await bind(server, { name, host: address, port });
      servers.push(server);
      // When accept fails (no file descriptor left), the connection stays in the backlog and the port stays open.
      server.on('error', (error) => events.onWarning('a connection could not be accepted', { listener: name, error }));
    }
    return port;
  }

  /**
   * Changes certificate, key, trusted CAs or level without closing the port. Sessions that would be admitted now stay
   * open. Those whose CA is no longer trusted are cut. Those that do not meet a stricter level finish their requests in
   * flight, or get the signal `draining`; a next request is redirected. Reloads take effect in order.
   *
   * @throws Problem `config-invalid`: the new settings are unusable; the former ones stay in force.
   */
  reload(security: SecuritySettings): Promise<void> {
    return this.changes.run(() => this.reloadNow(security));
  }

  private async prepare(settings: SecuritySettings): Promise<SecurityState> {
    const { name, events } = this.options;
    const security = await prepareSecurity(name, settings);
    for (const warning of security.warnings) events.onWarning(warning, { listener: name });
    return security;
  }

  private async reloadNow(settings: SecuritySettings): Promise<void> {
    const security = await this.prepare(settings);
    this.settings = settings;
    this.acceptor?.applySecurity(security);
  }

  /**
   * Cuts every session whose peer may no longer pass, such as the sessions of a revoked device. This also works while
   * the admission port is being asked about the peer.
   *
   * @param match  the reason to end a peer's sessions, or undefined to leave them.
   * @returns how many sessions were ended.
   */
  refuseSessions(match: (peer: Peer) => RefusalReason | undefined): number {
    let ended = 0;
    for (const session of this.acceptor?.sessions ?? []) {
      const { subject, isCut } = session;
      const reason = subject === undefined || isCut ? undefined : match(subject);
      if (reason === undefined) continue;
      this.acceptor?.cut(session, reason);
      ended += 1;
    }
    return ended;
  }

  /**
   * Asks the admission port again about every session whose peer matches, a few at a time. Cuts those it no longer
   * admits. For an owner whose port has news, or may have missed some.
   *
   * @param options.graceMs  how long sessions stay open while the port does not answer, in milliseconds. By default one
   *   question without an answer cuts them.
   */
  async revalidateSessions(
    match: (peer: Peer) => boolean,
    { graceMs = 0 }: { readonly graceMs?: number } = {},
  ): Promise<void> {
    const concerned = [...(this.acceptor?.sessions ?? [])].filter(
      ({ subject }) => subject !== undefined && match(subject),
    );
    await this.acceptor?.reviewer.revalidate(concerned, { graceMs });
  }

  /**
   * Closes the port. Idle connections end; requests in flight and streams get `drainMs` to finish. Resolves when the
   * last connection is closed.
   */
  async close({ drainMs = this.limits.drainMs }: { readonly drainMs?: number } = {}): Promise<void> {
    await this.opened;
    if (this.servers.length === 0) return;
    const closed = Promise.all(
      this.servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    );
    this.acceptor?.drain(drainMs);
    await closed;
    this.acceptor?.close();
  }
}

function bind(
  server: Server,
  { name, host, port }: Pick<SecureListenerOptions, 'name' | 'host' | 'port'>,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) =>
      reject(
        new Problem('config-invalid', `Listener "${name}" cannot use ${host} port ${port}: ${bindFault(cause, port)}`, {
          cause,
        }),
      );
    server.once('error', fail);
    server.listen({ host, port, backlog }, () => {
      server.off('error', fail);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}
