import type { Settings } from '@sallyport/config';
import { healthRoutes } from '@sallyport/protocol';
import { AggregatorRegistry } from 'prom-client';
import type { Log } from '../log.js';
import type { ServiceContext } from '../service-context.js';
import { type HealthAnswer, HealthServer } from './health-server.js';
import { processMetricsRegistry } from './metrics.js';

/** What we need of a service to show its health. */
type WatchedService = Pick<ServiceContext, 'name' | 'metrics' | 'readiness'>;

/**
 * The health of a process with all of its services: alive, ready, and metrics. If `health.bind.port` is set, it is served
 * over TCP. The port opens first, so a process that still waits for its store is alive and not ready.
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

  /** Adds a service. The process is ready only if this service is, and shows the metrics of the service. */
  watch(service: WatchedService): void {
    this.services.push(service);
  }

  /** Call it when all services have started. Before that the process is not ready. */
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
    const server = new HealthServer(pages, (error) => log.error({ error }, 'a health page could not be made'));
    await server.listen(address);
    this.server = server;
    log.info(address, 'probes and metrics over TCP');
  }

  /** Names what does not work. The reasons are left out: they may contain addresses and paths. */
  private async readiness(): Promise<HealthAnswer> {
    const failing = await Promise.all(this.services.map(failingParts));
    const all = [...(this.isStarted ? [] : ['start']), ...failing.flat()];
    return json(all.length === 0 ? 200 : 503, { ready: all.length === 0, failing: all });
  }

  /** Several services of a process have metrics with the same name, so each metric gets the label `service`. */
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
