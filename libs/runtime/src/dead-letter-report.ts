import type { DeadLetter } from '@sallyport/protocol';
import { Counter, type Registry } from 'prom-client';
import type { Log } from './log.js';

/** Tells operators, by log and metric, of each message that a service gave up on and the broker now keeps. */
export function deadLetterReport(log: Log, metrics: Registry): (letter: DeadLetter, keptAt: string) => void {
  const counter = new Counter({
    name: 'sallyport_mqtt_dead_letters_total',
    help: 'Messages this service could not handle, kept by the broker below sallyport/v1/dead-letter',
    registers: [metrics],
  });
  return ({ topic, failures, error, payloadBytes }, keptAt) => {
    counter.inc();
    log.error(
      { topic, failures, reason: error, payloadBytes, keptAt },
      'a message could not be handled, it is kept as a dead letter',
    );
  };
}
