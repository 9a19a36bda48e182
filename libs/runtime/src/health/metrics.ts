import { collectDefaultMetrics, Registry } from 'prom-client';

/** Every metric of ours starts with it: Prometheus reads many programs, whose metrics could have the same names. */
const prefix = 'sallyport_';

let processMetrics: Registry | undefined;

/** CPU, memory and event-loop figures of this process: collected once, however many services share it. */
export function processMetricsRegistry(): Registry {
  if (processMetrics === undefined) {
    processMetrics = new Registry();
    collectDefaultMetrics({ register: processMetrics, prefix });
  }
  return processMetrics;
}
