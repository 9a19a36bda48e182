import type { EntranceName, RefusalReason } from '@sallyport/protocol';
import type { ServiceContext } from '@sallyport/runtime';
import type { ListenerEvent } from '@sallyport/tls';
import { Counter } from 'prom-client';

/** Counts admissions, refusals by reason, and other events. No label names a device, so the labels have few values. */
export class EntranceMetrics {
  private readonly admissions: Counter;
  private readonly refusals: Counter;
  private readonly events: Counter;

  constructor(
    registry: ServiceContext['metrics'],
    private readonly entrance: EntranceName,
  ) {
    this.admissions = counter(registry, 'sallyport_entrance_admitted_total', 'Peers admitted', ['entrance']);
    this.refusals = counter(registry, 'sallyport_entrance_refused_total', 'Peers refused', ['entrance', 'reason']);
    this.events = counter(registry, 'sallyport_entrance_events_total', 'Connections, handshakes and requests turned', [
      'entrance',
      'event',
    ]);
  }

  admitted(): void {
    this.admissions.inc({ entrance: this.entrance });
  }

  counted(event: ListenerEvent): void {
    this.events.inc({ entrance: this.entrance, event });
  }

  refused(reason: RefusalReason): void {
    this.refusals.inc({ entrance: this.entrance, reason });
  }
}

/** The entrances of one service share a metric, and differ in its label. */
function counter(registry: ServiceContext['metrics'], name: string, help: string, labelNames: string[]): Counter {
  const existing = registry.getSingleMetric(name);
  return existing instanceof Counter ? existing : new Counter({ name, help, labelNames, registers: [registry] });
}
