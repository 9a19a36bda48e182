import { collectDefaultMetrics, Registry } from 'prom-client';

/** Every metric of ours starts with it. Prometheus reads many programs, and their metrics could have the same names. */
const prefix = 'sallyport_';

let processMetrics: Registry | undefined;

/** CPU, memory and event loop of this process. They are collected once, also when several services run in it. */
export function processMetricsRegistry(): Registry {
  if (processMetrics === undefined) {
    processMetrics = new Registry();
    collectDefaultMetrics({ register: processMetrics, prefix });
  }
  return processMetrics;
}
