import type { ServiceContext } from '@sallyport/runtime';
import { Counter, Gauge } from 'prom-client';
import type { SessionCounters } from './session-work.js';

const prefix = 'sallyport_connector_mqtt_';

/** Shows what the MQTT entrance counts. It is read when the metrics are. No label names a device. */
export function registerSessionMetrics(registry: ServiceContext['metrics'], counters: SessionCounters): void {
  new Gauge({
    name: `${prefix}sessions`,
    help: 'Sessions of devices that are open',
    registers: [registry],
    collect() {
      this.set(counters.sessions);
    },
  });
  const add = totalsOf(registry);
  add('publications', 'Messages that came from devices', () => counters.publications);
  add('publications_refused', 'Messages to a topic that is none of the device', () => counters.publicationsRefused);
  add('take_overs', 'Sessions that ended because their device came again', () => counters.takeOvers);
  new Counter({
    name: `${prefix}refused_total`,
    help: 'CONNECTs refused',
    labelNames: ['reason'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [reason, count] of counters.refusals) this.inc({ reason }, count);
    },
  });
}

function totalsOf(registry: ServiceContext['metrics']) {
  return (name: string, help: string, count: () => number): void => {
    new Counter({
      name: `${prefix}${name}_total`,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(count());
      },
    });
  };
}
