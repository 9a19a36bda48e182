import type { ServiceContext } from '@sallyport/runtime';
import { Counter } from 'prom-client';
import type { DeviceRoute } from './device-route.js';

/** What the HTTP device API counts. No label names a device. */
export class HttpMetrics {
  private readonly requests: Counter<'operation' | 'status'>;
  /** Not yet in `requests`, by operation and status: a counter takes microseconds to find its labels. */
  private readonly fresh = new Map<string, Map<number, number>>();

  constructor(registry: ServiceContext['metrics']) {
    this.requests = new Counter({
      name: 'sallyport_connector_http_requests_total',
      help: 'Requests of devices answered, by the status of the answer',
      labelNames: ['operation', 'status'],
      registers: [registry],
      collect: () => this.publish(),
    });
  }

  answered(operation: DeviceRoute['kind'] | 'other', status: number): void {
    const byStatus = this.fresh.get(operation) ?? new Map<number, number>();
    this.fresh.set(operation, byStatus);
    byStatus.set(status, (byStatus.get(status) ?? 0) + 1);
  }

  private publish(): void {
    for (const [operation, byStatus] of this.fresh)
      for (const [status, count] of byStatus) this.requests.inc({ operation, status: String(status) }, count);
    this.fresh.clear();
  }
}
