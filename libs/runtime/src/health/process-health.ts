import type { Settings } from '@sallyport/config';
import { healthRoutes } from '@sallyport/protocol';
import { AggregatorRegistry } from 'prom-client';
import type { Log } from '../log.js';
import type { ServiceContext } from '../service-context.js';
import { type HealthAnswer, HealthServer } from './health-server.js';
import { processMetricsRegistry } from './metrics.js';

/** The part of a service that its health is seen by. */
type WatchedService = Pick<ServiceContext, 'name' | 'metrics' | 'readiness'>;

/**
 * How a process is, over all of its services: alive, ready, and its metrics. Over TCP where `health.bind.port` is set,
 * from the start on, so that a process that waits for its store is alive and not ready.
 */
export class ProcessHealth {
  private readonly services: WatchedService[] = [];
  private isStarted = false;
  private server: HealthServer | undefined;

  /** @throws Error `EADDRINUSE` and its like: cannot listen there */
  static async open(settings: Settings, log: Log): Promise<ProcessHealth> {
    const health = new ProcessHealth();
    const [host, port] = [settings.require('health.bind.address'), settings.get('health.bind.port')];
    if (port !== undefined) await health.listen({ host, port }, log);
    return health;
  }

  /** From here on the process is as ready as this service is, and shows its metrics. */
  watch(service: WatchedService): void {
    this.services.push(service);
  }

  /** All services have started: before, the process is not ready. */
  started(): void {
    this.isStarted = true;
  }

  async close(): Promise<void> {
    await this.server?.close();
    this.server = undefined;
  }

  private async listen(address: { host: string; port: number }, log: Log): Promise<void> {
    const pages = {
      '/healthz': async () => json(200, { status: 'alive' }),
      '/readyz': () => this.readiness(),
      '/metrics': () => this.metrics(),
    };
    const server = new HealthServer(pages, (error) => log.error({ error }, 'health could not be told'));
    await server.listen(address);
    this.server = server;
    log.info(address, 'probes and metrics over TCP');
  }

  /** Names what does not work. The reasons may hold addresses and paths, which are for administrators only. */
  private async readiness(): Promise<HealthAnswer> {
    const failing = await Promise.all(this.services.map(failingParts));
    const all = [...(this.isStarted ? [] : ['start']), ...failing.flat()];
    return json(all.length === 0 ? 200 : 503, { ready: all.length === 0, failing: all });
  }

  /** Metrics of a service have the label `service`, since several services of a process have metrics of one name. */
  private async metrics(): Promise<HealthAnswer> {
    const labelled = await Promise.all(this.services.map(labelledMetrics));
    const texts = [processMetricsRegistry().metrics(), AggregatorRegistry.aggregate(labelled).metrics()];
    return { status: 200, contentType: healthRoutes.metrics.textType, body: (await Promise.all(texts)).join('\n') };
  }
}

async function failingParts({ name, readiness }: WatchedService): Promise<string[]> {
  const { faults } = await readiness.report();
  return Object.keys(faults).map((part) => `${name}: ${part}`);
}

async function labelledMetrics({ name, metrics }: WatchedService) {
  const found = await metrics.getMetricsAsJSON();
  return found.map((metric) => ({
    ...metric,
    values: metric.values.map((value) => ({ ...value, labels: { ...value.labels, service: name } })),
  }));
}

function json(status: number, value: unknown): HealthAnswer {
  return { status, contentType: 'application/json; charset=utf-8', body: JSON.stringify(value) };
}
