import type { BrokerCounters, BrokerFigures, EmbeddedBroker } from '@sallyport/embedded-broker';
import { Counter, Gauge, type Registry } from 'prom-client';

const gauges: Partial<Record<keyof BrokerFigures, readonly [name: string, help: string]>> = {
  connections: ['connections', 'Connections of clients and services'],
  sessions: ['sessions', 'Sessions open, or kept for clients that are away'],
  queuedBytes: ['queued_bytes', 'Bytes of messages that their receivers have not acknowledged'],
  retainedMessages: ['retained_messages', 'Retained messages'],
  journalBytes: ['journal_bytes', 'Bytes of the journal on disk'],
  journalFailing: ['journal_failing', '1 while the journal cannot be written'],
};

const journalCounters: Partial<Record<keyof BrokerFigures, readonly [name: string, help: string]>> = {
  journalCommits: ['journal_commits_total', 'Batches written to the journal'],
  journalWriteSeconds: ['journal_write_seconds_total', 'Time spent writing the journal'],
  journalFailedWrites: ['journal_failed_writes_total', 'Writes to the journal that failed'],
};

type PlainCounter = Exclude<keyof BrokerCounters, 'dropped' | 'refusals'>;

const counters: Readonly<Record<PlainCounter, readonly [name: string, help: string]>> = {
  messagesReceived: ['messages_received_total', 'Messages that came from clients'],
  messagesSent: ['messages_sent_total', 'Messages taken for delivery, one for each receiver'],
  publicationsRefused: ['publications_refused_total', 'Messages that were not acknowledged'],
};

/** Shows what the embedded broker counts. It is read when the metrics are. */
export function registerBrokerMetrics(registry: Registry, broker: EmbeddedBroker): void {
  for (const [figure, [name, help]] of entriesOf(gauges))
    addGauge(registry, { name, help }, () => broker.figures[figure]);
  for (const [figure, [name, help]] of entriesOf(journalCounters))
    addCounter(registry, { name, help }, (counter) => counter.inc(broker.figures[figure]));
  for (const [counted, [name, help]] of entriesOf(counters))
    addCounter(registry, { name, help }, (counter) => counter.inc(broker.counters[counted]));
  const refused = { name: 'connects_refused_total', help: 'CONNECTs refused', labelNames: ['reason'] };
  addCounter(registry, refused, (counter) => {
    for (const [reason, count] of broker.counters.refusals) counter.inc({ reason }, count);
  });
  const dropped = { name: 'messages_dropped_total', help: 'Messages that a session lost', labelNames: ['reason'] };
  addCounter(registry, dropped, (counter) => {
    for (const [reason, count] of Object.entries(broker.counters.dropped)) counter.inc({ reason }, count);
  });
}

interface MetricText {
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly string[];
}

function addGauge(registry: Registry, { name, help }: MetricText, read: () => number): void {
  new Gauge({
    name: `sallyport_broker_${name}`,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}

/** The broker counts itself, so the counter starts from nothing at each reading. */
function addCounter(registry: Registry, text: MetricText, add: (counter: Counter) => void): void {
  const { name, help, labelNames = [] } = text;
  new Counter({
    name: `sallyport_broker_${name}`,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      this.reset();
      add(this);
    },
  });
}

function entriesOf<Key extends string, Value>(record: Readonly<Partial<Record<Key, Value>>>): [Key, Value][] {
  const keys = Object.keys(record).filter((key): key is Key => key in record);
  return keys.flatMap((key): [Key, Value][] => {
    const value = record[key];
    return value === undefined ? [] : [[key, value]];
  });
}
