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
  /** Not yet in `requests`, by connection, method and status: a counter takes microseconds to find its labels. */
  private readonly fresh = new Map<string, Map<string, Map<number, number>>>();

  constructor(registry: ServiceContext['metrics']) {
    const registers = [registry];
    this.requests = new Counter({
      name: 'sallyport_c8y_proxy_requests_total',
      help: 'Requests answered, by the status of the answer',
      labelNames: ['connection', 'method', 'status'],
      registers,
      collect: () => this.publish(),
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
    const byStatus = innerOf(innerOf(this.fresh, connection), known);
    byStatus.set(status, (byStatus.get(status) ?? 0) + 1);
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

  private publish(): void {
    for (const [connection, byMethod] of this.fresh)
      for (const [method, byStatus] of byMethod) {
        for (const [status, count] of byStatus)
          this.requests.inc({ connection, method, status: String(status) }, count);
        byStatus.clear();
      }
  }
}

function innerOf<Key, Inner, Value>(outer: Map<Key, Map<Inner, Value>>, key: Key): Map<Inner, Value> {
  const known = outer.get(key);
  if (known !== undefined) return known;
  const inner = new Map<Inner, Value>();
  outer.set(key, inner);
  return inner;
}
