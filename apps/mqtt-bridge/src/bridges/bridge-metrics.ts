import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ServiceContext } from '@sallyport/runtime';
import { Counter, Gauge } from 'prom-client';
import { Planes } from '../bridging/planes.js';
import type { BridgeFigures, RuleFigures } from '../plane/bridge-types.js';
import { Bridges } from './bridges.js';

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface MetricText {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

type SamplesOf = (figures: BridgeFigures) => readonly Sample[];

const ruleLabels = ['cloud', 'rule', 'direction'];
const directions = ['outbound', 'inbound'] as const;

/** Shows what the bridges count. The planes count themselves, and are asked when the metrics are read. */
@Injectable()
export class BridgeMetrics implements OnModuleInit {
  constructor(
    private readonly context: ServiceContext,
    private readonly bridges: Bridges,
    private readonly planes: Planes,
  ) {}

  onModuleInit(): void {
    this.addRuleCounters();
    this.addDirectionGauges();
    this.addStates();
    const connections = { name: 'connections_total', help: 'Connections made to a broker', labels: ['cloud', 'side'] };
    this.addCounter(connections, ({ connections: { local, remote } }) => [
      { labels: { side: 'local' }, value: local },
      { labels: { side: 'remote' }, value: remote },
    ]);
  }

  private addRuleCounters(): void {
    const counters: readonly (readonly [name: string, help: string, read: (rule: RuleFigures) => number])[] = [
      ['forwarded_total', 'Messages given to the other broker, also those sent again', (rule) => rule.forwarded],
      ['acknowledged_total', 'Messages that the other broker acknowledged', (rule) => rule.acknowledged],
      ['redelivered_total', 'Messages that the source marked as sent again', (rule) => rule.redelivered],
      ['forwarded_bytes_total', 'Bytes of packets given to the other broker', (rule) => rule.bytes],
    ];
    for (const [name, help, read] of counters)
      this.addCounter({ name, help, labels: ruleLabels }, ({ rules }) =>
        rules.map((rule) => ({ labels: { rule: rule.rule, direction: rule.direction }, value: read(rule) })),
      );
    const dropped = { name: 'dropped_total', help: 'Messages not forwarded', labels: [...ruleLabels, 'reason'] };
    this.addCounter(dropped, ({ rules }) =>
      rules.flatMap(({ rule, direction, dropped: byReason }) =>
        Object.entries(byReason).map(([reason, value]) => ({ labels: { rule, direction, reason }, value })),
      ),
    );
    const unmapped = { name: 'unmapped_total', help: 'Messages that no rule matched', labels: ['cloud', 'direction'] };
    this.addCounter(unmapped, (figures) => byDirection(figures, 'unmapped'));
    const stalls = {
      name: 'stalls_total',
      help: 'Brokers cut because they did not acknowledge',
      labels: unmapped.labels,
    };
    this.addCounter(stalls, (figures) => byDirection(figures, 'stalls'));
  }

  private addDirectionGauges(): void {
    const labels = ['cloud', 'direction'];
    this.addGauge({ name: 'in_flight_messages', help: 'Messages not yet acknowledged', labels }, (figures) =>
      byDirection(figures, 'inFlight'),
    );
    this.addGauge({ name: 'held_bytes', help: 'Bytes that wait for a broker', labels }, (figures) =>
      byDirection(figures, 'heldBytes'),
    );
    const oldest = { name: 'oldest_unacknowledged_seconds', help: 'Age of the oldest message in flight', labels };
    this.addGauge(oldest, (figures) =>
      byDirection(figures, 'oldestUnacknowledgedMs').map(({ labels: own, value }) => ({
        labels: own,
        value: value / 1000,
      })),
    );
  }

  private addStates(): void {
    const { bridges, planes } = this;
    new Gauge({
      name: 'sallyport_bridge_up',
      help: 'Whether both halves of a bridge are connected',
      labelNames: ['cloud'],
      registers: [this.context.metrics],
      collect() {
        this.reset();
        for (const [cloud, { status }] of bridges.connected) this.set({ cloud }, status === 'up' ? 1 : 0);
      },
    });
    new Counter({
      name: 'sallyport_bridge_thread_restarts_total',
      help: 'How often the thread of the bridges was started again after a fault',
      registers: [this.context.metrics],
      collect() {
        this.reset();
        this.inc(planes.restarts);
      },
    });
  }

  private addCounter({ name, help, labels }: MetricText, samplesOf: SamplesOf): void {
    const read = () => this.samples(samplesOf);
    new Counter({
      name: `sallyport_bridge_${name}`,
      help,
      labelNames: [...labels],
      registers: [this.context.metrics],
      async collect() {
        const samples = await read();
        this.reset();
        for (const { labels: own, value } of samples) this.inc({ ...own }, value);
      },
    });
  }

  private addGauge({ name, help, labels }: MetricText, samplesOf: SamplesOf): void {
    const read = () => this.samples(samplesOf);
    new Gauge({
      name: `sallyport_bridge_${name}`,
      help,
      labelNames: [...labels],
      registers: [this.context.metrics],
      async collect() {
        const samples = await read();
        this.reset();
        for (const { labels: own, value } of samples) this.set({ ...own }, value);
      },
    });
  }

  private async samples(samplesOf: SamplesOf): Promise<Sample[]> {
    const ofEach = [...this.bridges.connected].map(async ([cloud, bridge]) =>
      samplesOf(await bridge.figures()).map(({ labels, value }) => ({ labels: { cloud, ...labels }, value })),
    );
    return (await Promise.all(ofEach)).flat();
  }
}

type DirectionFigure = 'inFlight' | 'heldBytes' | 'oldestUnacknowledgedMs' | 'unmapped' | 'stalls';

function byDirection({ directions: figures }: BridgeFigures, figure: DirectionFigure): Sample[] {
  return directions.map((direction) => ({ labels: { direction }, value: figures[direction][figure] }));
}
