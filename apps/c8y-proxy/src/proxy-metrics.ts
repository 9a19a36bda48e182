import { c8yProxyMethods } from '@sallyport/config';
import type { ServiceContext } from '@sallyport/runtime';
import { Counter, Gauge } from 'prom-client';
import type { GatewayReason } from './forwarding/gateway-fault.js';

const knownMethods: ReadonlySet<string> = new Set(c8yProxyMethods);

/** What the proxy counts, of all connections to Cumulocity. No label names a device. */
export class ProxyMetrics {
  private readonly requests: Counter<'connection' | 'method' | 'status'>;
  private readonly tokens: Counter<'connection' | 'outcome'>;
  private readonly faults: Counter<'connection' | 'reason'>;
  private readonly webSockets: Gauge<'connection'>;
  /** A counter finds its labels by a text. Keep what was found: it is needed for each request. */
  private readonly requestCounters = new Map<string, Counter.Internal>();

  constructor(registry: ServiceContext['metrics']) {
    const registers = [registry];
    this.requests = new Counter({
      name: 'sallyport_c8y_proxy_requests_total',
      help: 'Requests answered, by the status of the answer',
      labelNames: ['connection', 'method', 'status'],
      registers,
    });
    this.tokens = new Counter({
      name: 'sallyport_c8y_proxy_authorizations_total',
      help: 'Tokens asked for at the cloud, and credentials read again',
      labelNames: ['connection', 'outcome'],
      registers,
    });
    this.faults = new Counter({
      name: 'sallyport_c8y_proxy_upstream_errors_total',
      help: 'Requests for which the cloud gave no answer, by reason',
      labelNames: ['connection', 'reason'],
      registers,
    });
    this.webSockets = new Gauge({
      name: 'sallyport_c8y_proxy_websockets',
      help: 'WebSockets that are open',
      labelNames: ['connection'],
      registers,
    });
  }

  /** @param status of the answer; 0: the client went before it */
  answered(connection: string, method: string, status: number): void {
    const known = knownMethods.has(method) ? method : 'other';
    const key = `${connection} ${known} ${status}`;
    let counter = this.requestCounters.get(key);
    if (counter === undefined) {
      counter = this.requests.labels({ connection, method: known, status: String(status) });
      this.requestCounters.set(key, counter);
    }
    counter.inc();
  }

  authorizationFetched(connection: string, isGood: boolean): void {
    this.tokens.inc({ connection, outcome: isGood ? 'good' : 'failed' });
  }

  failed(connection: string, reason: GatewayReason): void {
    this.faults.inc({ connection, reason });
  }

  webSocketOpened(connection: string): void {
    this.webSockets.inc({ connection });
  }

  webSocketClosed(connection: string): void {
    this.webSockets.dec({ connection });
  }
}
