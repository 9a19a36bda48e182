import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type Daemon, RawMqtt, spawnMosquitto, waitFor } from '@sallyport/testkit';
import { Bridge } from './bridge.js';
import type { BridgeNotice, BridgeOptions, BridgeRules, BridgeSide, ConnectTerms } from './bridge-types.js';

/** Mosquitto as an operator of a bridge sets it up. */
export const bridgedMosquitto = ['max_inflight_messages 1000', 'max_queued_messages 0', 'set_tcp_nodelay true'];

/** `a/x` at one side is `b/x` at the other. `both/x` goes both ways. */
export const testRules: BridgeRules = {
  filters: (side) => (side === 'local' ? ['out/#', 'both/#'] : ['down/#', 'both/#']),
  map: (direction, topic) => {
    if (topic.startsWith('both/')) return { topic, rule: 'both', isBidirectional: true };
    const [from, to] = direction === 'outbound' ? ['out/', 'up/'] : ['down/', 'in/'];
    if (!topic.startsWith(from)) return undefined;
    return { topic: to + topic.slice(from.length), rule: direction, isBidirectional: false };
  },
};

/** A side that connects over TCP. */
export function tcpSide(port: number | (() => number), terms: Partial<ConnectTerms> = {}): BridgeSide {
  return {
    open: async () => {
      const socket = connect({ port: typeof port === 'number' ? port : port(), host: '127.0.0.1', noDelay: true });
      await once(socket, 'connect');
      return socket;
    },
    terms: () => ({ version: 4, clientId: 'bridge', isClean: false, keepAliveSeconds: 60, ...terms }),
  };
}

/** Back-off and reset that a test need not wait for. */
export const quick: BridgeOptions['limits'] = { backOff: { firstMs: 20, longestMs: 100 }, drainMs: 200 };

export class BridgeSite implements AsyncDisposable {
  readonly notices: BridgeNotice[] = [];
  private readonly ends: (() => Promise<unknown> | unknown)[] = [];

  private constructor(
    readonly local: Daemon,
    readonly remote: Daemon,
  ) {}

  static async open(config: readonly string[] = bridgedMosquitto): Promise<BridgeSite> {
    const [local, remote] = await Promise.all([spawnMosquitto({ config }), spawnMosquitto({ config })]);
    return new BridgeSite(local, remote);
  }

  bridge(options: Partial<BridgeOptions> = {}): Bridge {
    const bridge = new Bridge({
      local: tcpSide(this.local.port),
      remote: tcpSide(this.remote.port),
      rules: testRules,
      deadLetterPrefix: 'dead/',
      onNotice: (notice) => this.notices.push(notice),
      ...options,
      limits: { ...quick, ...options.limits },
    });
    this.ends.unshift(() => bridge.stop());
    return bridge;
  }

  /** Starts a bridge, and resolves when it forwards both ways. */
  async running(options: Partial<BridgeOptions> = {}): Promise<Bridge> {
    const bridge = this.bridge(options);
    bridge.start();
    await waitFor(() => bridge.state.status === 'up', { what: 'the bridge to be up' });
    return bridge;
  }

  async client(side: 'local' | 'remote', clientId: string, onMessage?: RawMqtt['onMessage']): Promise<RawMqtt> {
    const client = await RawMqtt.open(
      { port: this[side].port },
      { clientId },
      onMessage === undefined ? {} : { onMessage },
    );
    this.ends.unshift(() => client.cut());
    return client;
  }

  /** Collects what comes to a filter, as `topic payload`. */
  async listen(side: 'local' | 'remote', filter: string): Promise<string[]> {
    const got: string[] = [];
    const client = await this.client(side, `listen-${this.ends.length}`, ({ topic, payload }) =>
      got.push(`${topic} ${payload}`),
    );
    await client.subscribe(filter, 1);
    return got;
  }

  after(end: () => Promise<unknown> | unknown): void {
    this.ends.unshift(end);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.ends) await end();
    await Promise.all([this.local.stop(), this.remote.stop()]);
  }
}

/** A TCP proxy whose connections a test cuts. */
export class CuttingProxy implements AsyncDisposable {
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  private constructor(target: () => number) {
    this.server = createServer((from) => {
      const to = connect({ port: target(), host: '127.0.0.1', noDelay: true });
      this.join(from, to);
      this.join(to, from);
    });
  }

  static async to(target: () => number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(target);
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    return proxy;
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' ? (address?.port ?? 0) : 0;
  }

  /** Resets every connection, so that what is under way is lost. */
  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.cut();
    await closed;
  }

  private join(one: Socket, other: Socket): void {
    this.sockets.add(one);
    one.pipe(other);
    one.on('error', () => other.destroy());
    one.on('close', () => {
      this.sockets.delete(one);
      other.destroy();
    });
  }
}

/** A clock whose timers run when the test says so. */
export class ManualClock {
  private timeMs = 0;
  private timers: { atMs: number; run: () => void }[] = [];

  readonly nowMs = (): number => this.timeMs;

  readonly after = (delayMs: number, run: () => void): (() => void) => {
    const timer = { atMs: this.timeMs + delayMs, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  };

  /** Runs what is due until then, in order. */
  advance(ms: number): void {
    const untilMs = this.timeMs + ms;
    for (let next = this.nextUntil(untilMs); next !== undefined; next = this.nextUntil(untilMs)) {
      this.timers = this.timers.filter((other) => other !== next);
      this.timeMs = Math.max(this.timeMs, next.atMs);
      next.run();
    }
    this.timeMs = untilMs;
  }

  private nextUntil(untilMs: number): { atMs: number; run: () => void } | undefined {
    const [next] = this.timers.toSorted((one, other) => one.atMs - other.atMs);
    return next !== undefined && next.atMs <= untilMs ? next : undefined;
  }
}
