import { collectDefaultMetrics, Registry } from 'prom-client';

let processMetrics: Registry | undefined;

/** CPU, memory and event-loop figures of this process: collected once, however many services share it. */
export function processMetricsRegistry(): Registry {
  if (processMetrics === undefined) {
    processMetrics = new Registry();
    collectDefaultMetrics({ register: processMetrics });
  }
  return processMetrics;
}
