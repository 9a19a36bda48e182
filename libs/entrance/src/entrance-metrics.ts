import type { EntranceGroup, RefusalReason } from '@sallyport/protocol';
import type { ServiceContext } from '@sallyport/runtime';
import { Counter } from 'prom-client';

/** Counts who passed and who was turned away, by reason. Never by device: label values stay few. */
export class EntranceMetrics {
  private readonly admissions: Counter;
  private readonly refusals: Counter;

  constructor(
    registry: ServiceContext['metrics'],
    private readonly entrance: EntranceGroup,
  ) {
    this.admissions = counter(registry, 'sallyport_entrance_admitted_total', 'Peers let in', ['entrance']);
    this.refusals = counter(registry, 'sallyport_entrance_refused_total', 'Peers turned away', ['entrance', 'reason']);
  }

  admitted(): void {
    this.admissions.inc({ entrance: this.entrance });
  }

  refused(reason: RefusalReason): void {
    this.refusals.inc({ entrance: this.entrance, reason });
  }
}

/** Two entrances of one service share a metric and differ in its labels. */
function counter(registry: ServiceContext['metrics'], name: string, help: string, labelNames: string[]): Counter {
  const existing = registry.getSingleMetric(name);
  return existing instanceof Counter ? existing : new Counter({ name, help, labelNames, registers: [registry] });
}
