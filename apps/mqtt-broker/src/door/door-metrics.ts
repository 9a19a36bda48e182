import type { ConnectRefusal } from '@sallyport/protocol';
import { Counter, Gauge, type Registry } from 'prom-client';

/** Counts the sessions behind the door, and the clients it refused. */
export class DoorMetrics {
  readonly refusals = new Map<ConnectRefusal, number>();
  sessions = 0;
  opened = 0;
  private readonly refusalCounter: Counter;
  private readonly openedCounter: Counter;
  private readonly sessionGauge: Gauge;

  constructor(registry: Registry) {
    const registers = [registry];
    this.refusalCounter = new Counter({
      name: 'sallyport_mqtt_connects_refused_total',
      help: 'CONNECTs refused',
      labelNames: ['reason'],
      registers,
    });
    this.openedCounter = new Counter({
      name: 'sallyport_mqtt_sessions_opened_total',
      help: 'Sessions begun',
      registers,
    });
    this.sessionGauge = new Gauge({ name: 'sallyport_mqtt_sessions', help: 'Sessions open now', registers });
  }

  refused(reason: ConnectRefusal): void {
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
    this.refusalCounter.inc({ reason });
  }

  sessionOpened(): void {
    this.sessions += 1;
    this.opened += 1;
    this.openedCounter.inc();
    this.sessionGauge.set(this.sessions);
  }

  sessionClosed(): void {
    this.sessions -= 1;
    this.sessionGauge.set(this.sessions);
  }
}
