import type { Duplex } from 'node:stream';
import { within } from '@sallyport/concurrency';
import type { Exchange, OutgoingRequest, UpstreamFigures, UpstreamLimits, UpstreamPoolOptions } from './api.js';
import { UpstreamError } from './faults.js';
import { type ConnectionOwner, UpstreamConnection } from './upstream-connection.js';
import { type ExchangeHolder, UpstreamExchange } from './upstream-exchange.js';

const defaultLimits: UpstreamLimits = {
  connections: 64,
  upgrades: 256,
  waiting: 1_024,
  waitMs: 30_000,
  connectMs: 15_000,
  headMs: 60_000,
  idleMs: 60_000,
  keepAliveMs: 55_000,
  headBytes: 65_536,
  headFields: 200,
};

/**
 * Connections to one origin that are kept alive. One exchange at a time has a connection; further ones wait for it, in
 * the order they came.
 *
 * A request is sent a second time in one case only: its connection had been kept, ended before a byte of the response
 * came, the method is idempotent and the body is still whole (RFC 9112 §9.3.1).
 */
export class UpstreamPool implements ConnectionOwner, ExchangeHolder {
  private readonly limits: UpstreamLimits;
  private readonly dial: (signal: AbortSignal) => Promise<Duplex>;
  private readonly open = new Set<UpstreamConnection>();
  /** The one that rested last is used first, so that connections that are not needed end. */
  private readonly idle: UpstreamConnection[] = [];
  private readonly waiting = new Map<UpstreamExchange, NodeJS.Timeout>();
  private readonly dialling = new AbortController();
  private readonly upgrading = new Set<UpstreamExchange>();
  private readonly tunnels = new Set<Duplex>();
  private dials = 0;
  private isClosed = false;

  constructor({ dial, limits }: UpstreamPoolOptions) {
    this.dial = dial;
    this.limits = { ...defaultLimits, ...limits };
  }

  get figures(): UpstreamFigures {
    return {
      open: this.open.size,
      idle: this.idle.length,
      dialling: this.dials,
      waiting: this.waiting.size,
      upgraded: this.tunnels.size,
    };
  }

  /**
   * Sends a request.
   *
   * @throws TypeError a method, target or field that would break the request
   */
  exchange(request: OutgoingRequest): Exchange {
    const exchange = new UpstreamExchange(request, false);
    this.start(exchange);
    return exchange;
  }

  /**
   * Sends a request that asks for another protocol, on a connection of its own. The fields must hold Connection and
   * Upgrade. With status 101 the response has a `tunnel`, which belongs to the caller.
   *
   * @throws TypeError as `exchange` does
   */
  upgrade(request: OutgoingRequest): Exchange {
    const exchange = new UpstreamExchange(request, true);
    if (this.isClosed) exchange.fail(closedPool());
    else if (this.upgrading.size + this.tunnels.size >= this.limits.upgrades)
      exchange.fail(new UpstreamError('pool-full', `${this.limits.upgrades} upgraded connections are open already.`));
    else void this.runUpgrade(exchange);
    return exchange;
  }

  /** Takes no new exchange, ends idle connections at once and the others after their exchange. Tunnels stay. */
  close(): void {
    this.isClosed = true;
    this.dialling.abort(closedPool());
    this.dropIdle();
    for (const exchange of [...this.waiting.keys()]) this.giveUp(exchange, closedPool());
  }

  // For the connections.

  free(connection: UpstreamConnection): void {
    if (this.isClosed) {
      connection.destroy();
      return;
    }
    const [next] = this.waiting.keys();
    if (next === undefined) {
      this.idle.push(connection);
      connection.rest();
      return;
    }
    this.stopWaiting(next);
    connection.run(next);
  }

  gone(connection: UpstreamConnection): void {
    this.open.delete(connection);
    const at = this.idle.indexOf(connection);
    if (at >= 0) this.idle.splice(at, 1);
    this.dialForWaiting();
  }

  repeat(exchange: UpstreamExchange): void {
    // What closed one kept connection has probably closed the others.
    this.dropIdle();
    this.start(exchange);
  }

  abandon(exchange: UpstreamExchange): void {
    this.stopWaiting(exchange);
  }

  private start(exchange: UpstreamExchange): void {
    for (let connection = this.idle.pop(); connection !== undefined; connection = this.idle.pop()) {
      if (connection.isUsable) {
        connection.run(exchange);
        return;
      }
      connection.destroy();
    }
    this.wait(exchange);
  }

  private wait(exchange: UpstreamExchange): void {
    const { waiting, waitMs } = this.limits;
    if (this.isClosed) exchange.fail(closedPool());
    else if (this.waiting.size >= waiting)
      exchange.fail(new UpstreamError('pool-full', `${waiting} requests wait for a connection already.`));
    else {
      const late = new UpstreamError('pool-timeout', `No connection was free within ${waitMs} ms.`);
      const timer = setTimeout(() => this.giveUp(exchange, late), waitMs);
      this.waiting.set(exchange, timer);
      exchange.holder = this;
      this.dialForWaiting();
    }
  }

  private stopWaiting(exchange: UpstreamExchange): void {
    clearTimeout(this.waiting.get(exchange));
    this.waiting.delete(exchange);
  }

  private giveUp(exchange: UpstreamExchange, error: UpstreamError): void {
    this.stopWaiting(exchange);
    exchange.fail(error);
  }

  private dialForWaiting(): void {
    while (this.dials < this.waiting.size && this.open.size + this.dials < this.limits.connections) {
      this.dials += 1;
      void this.addConnection();
    }
  }

  private async addConnection(): Promise<void> {
    try {
      const socket = await this.connect();
      this.dials -= 1;
      this.adopt(socket);
    } catch (error) {
      this.dials -= 1;
      const [oldest] = this.waiting.keys();
      if (oldest !== undefined) this.giveUp(oldest, connectErrorOf(error));
      this.dialForWaiting();
    }
  }

  private adopt(socket: Duplex): void {
    const connection = new UpstreamConnection(socket, this.limits, this);
    this.open.add(connection);
    if (connection.isUsable) this.free(connection);
    else connection.destroy();
  }

  private async runUpgrade(exchange: UpstreamExchange): Promise<void> {
    this.upgrading.add(exchange);
    const aborted = new AbortController();
    exchange.holder = { abandon: (_exchange, error) => aborted.abort(error) };
    try {
      const socket = await this.connect(aborted.signal);
      this.track(socket);
      new UpstreamConnection(socket, this.limits, loneOwner).run(exchange);
    } catch (error) {
      exchange.fail(connectErrorOf(error));
    } finally {
      this.upgrading.delete(exchange);
    }
  }

  private track(socket: Duplex): void {
    this.tunnels.add(socket);
    socket.once('close', () => this.tunnels.delete(socket));
  }

  /** A connection that comes after its deadline is closed. */
  private async connect(signal?: AbortSignal): Promise<Duplex> {
    const { connectMs } = this.limits;
    const stop = new AbortController();
    const signals = [this.dialling.signal, ...(signal === undefined ? [] : [signal])];
    const work = this.dial(AbortSignal.any([...signals, stop.signal]));
    const late = () => new UpstreamError('connect-timeout', `No connection to the upstream within ${connectMs} ms.`);
    try {
      return await within(work, connectMs, { late, signal: AbortSignal.any(signals) });
    } catch (error) {
      stop.abort(error);
      work.then(
        (socket) => socket.destroy(),
        () => undefined,
      );
      throw error;
    }
  }

  private dropIdle(): void {
    for (const connection of [...this.idle]) connection.destroy();
  }
}

/** A connection for one exchange. */
const loneOwner: ConnectionOwner = {
  free: (connection) => connection.destroy(),
  gone: () => undefined,
  repeat: (exchange) => exchange.fail(new UpstreamError('connection-lost', 'The connection ended too early.')),
};

function connectErrorOf(error: unknown): UpstreamError {
  if (error instanceof UpstreamError) return error;
  return new UpstreamError('connect-failed', 'There is no connection to the upstream.', { cause: error });
}

function closedPool(): UpstreamError {
  return new UpstreamError('pool-closed', 'The pool of connections has been closed.');
}
