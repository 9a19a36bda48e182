import type { ServiceContext } from '@sallyport/runtime';
import { Counter, Gauge } from 'prom-client';

const prefix = 'sallyport_coap_';

/** What the gateway counts of its connections and sessions. */
export class SessionCounters {
  connections = 0;
  /** Devices that are signed in. */
  sessions = 0;
  superseded = 0;
  /** By the resource and the code of the answer: `/oic/sec/session 4.01`. */
  readonly refusals = new Map<string, number>();

  refused(path: string, code: string): void {
    const key = `${path} ${code}`;
    this.refusals.set(key, (this.refusals.get(key) ?? 0) + 1);
  }
}

/** Shows the counters. They are read when the metrics are. No label names a device. */
export function registerSessionMetrics(registry: ServiceContext['metrics'], counters: SessionCounters): void {
  const gauge = (name: string, help: string, count: () => number) =>
    new Gauge({
      name: `${prefix}${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(count());
      },
    });
  gauge('connections', 'Connections of devices that are open', () => counters.connections);
  gauge('sessions', 'Devices that are signed in', () => counters.sessions);
  new Counter({
    name: `${prefix}superseded_total`,
    help: 'Sessions that ended because their device signed in on a newer connection',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(counters.superseded);
    },
  });
  new Counter({
    name: `${prefix}refused_total`,
    help: 'Requests that ended their connection, by resource and code',
    labelNames: ['path', 'code'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [key, count] of counters.refusals) {
        const [path = '', code = ''] = key.split(' ');
        this.inc({ path, code }, count);
      }
    },
  });
}
