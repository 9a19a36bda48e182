import { setTimeout as sleep } from 'node:timers/promises';
import { DeliveryLedger, RawMqtt, type RawMqttTarget, waitFor } from '@sallyport/testkit';
import { cpuMillisecondsOf } from '../process/cpu-time.js';
import { quantileOf } from '../process/statistics.js';
import { LoadPublisher, stampOf, topicCount } from './publishers.js';

export interface Load {
  readonly qos: 0 | 1;
  readonly publishers: number;
  readonly subscribers: number;
  /** Closed loop: messages that may be under way at once. Open loop: messages a second, of all publishers together. */
  readonly pace: { readonly window: number } | { readonly perSecond: number };
  /** Whether the subscribers have durable sessions. */
  readonly isDurable?: boolean;
  /** Size of each PUBLISH; default 130, so about 100 bytes of payload. */
  readonly packetBytes?: number;
  readonly warmUpMs?: number;
  readonly measureMs?: number;
}

/** How publishers and subscribers reach the server, and the processes whose CPU time counts. */
export interface LoadedServer {
  readonly publisherTarget: (index: number) => RawMqttTarget;
  readonly subscriberTarget: (index: number) => RawMqttTarget;
  readonly pids: readonly number[];
}

export interface LoadResult {
  /** Messages processed a second: deliveries, or publications where nobody subscribes. */
  readonly perSecond: number;
  /** CPU time of each process for one of them, in microseconds. */
  readonly cpuMicroseconds: readonly number[];
  /** From the write of a publisher to the read of a subscriber, in milliseconds. NaN without subscribers. */
  readonly p50: number;
  readonly p99: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly outOfOrder: number;
}

const keepAliveSeconds = 600;

let runs = 0;

/** Loads a server for some seconds, and counts everything that was published, also before and after the measurement. */
export async function runLoad(server: LoadedServer, load: Load): Promise<LoadResult> {
  await using stage = await LoadStage.open(server, load);
  return await stage.run();
}

class LoadStage implements AsyncDisposable {
  private readonly clients: RawMqtt[] = [];
  private readonly publishers: LoadPublisher[] = [];
  /** By subscriber, then by publisher. */
  private readonly ledgers: DeliveryLedger[][] = [];
  private readonly topicRoot = `load/${process.pid}/${runs++}`;
  private deliveries = 0;
  private latencies: number[] = [];
  private isMeasuring = false;
  private isFilling = false;
  private isOver = false;

  private constructor(
    private readonly server: LoadedServer,
    private readonly load: Load,
  ) {}

  static async open(server: LoadedServer, load: Load): Promise<LoadStage> {
    const stage = new LoadStage(server, load);
    // The subscriptions first. What is published before them exists nowhere.
    for (let index = 0; index < load.subscribers; index += 1) await stage.addSubscriber(index);
    for (let index = 0; index < load.publishers; index += 1) await stage.addPublisher(index);
    return stage;
  }

  async run(): Promise<LoadResult> {
    const { warmUpMs = 1_000, measureMs = 3_000 } = this.load;
    const pacing = this.startPublishing();
    await sleep(warmUpMs);
    const measured = await this.measure(measureMs);
    this.isOver = true;
    clearInterval(pacing);
    await this.waitForRest();
    return { ...measured, ...this.account() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isOver = true;
    await Promise.all(this.clients.map((client) => client.disconnect()));
    if (this.load.isDurable === true) await this.forgetSessions();
  }

  private async addSubscriber(index: number): Promise<void> {
    const { isDurable = false, publishers, qos } = this.load;
    const session = { clientId: this.subscriberId(index), isClean: !isDurable, keepAliveSeconds };
    const client = await RawMqtt.open(this.server.subscriberTarget(index), session);
    this.clients.push(client);
    const ledgers = Array.from({ length: publishers }, () => new DeliveryLedger(topicCount));
    this.ledgers.push(ledgers);
    client.onMessage = ({ payload }) => this.takeDelivery(ledgers, payload);
    await client.subscribe(`${this.topicRoot}/#`, qos);
  }

  private async addPublisher(index: number): Promise<void> {
    const client = await RawMqtt.open(this.server.publisherTarget(index), {
      clientId: `${this.idPrefix}p${index}`,
      keepAliveSeconds,
    });
    this.clients.push(client);
    const { qos, packetBytes = 130 } = this.load;
    const publisher = new LoadPublisher(client, index, { qos, packetBytes, topicRoot: this.topicRoot });
    publisher.onProgress = () => this.fillSoon();
    this.publishers.push(publisher);
  }

  private takeDelivery(ledgers: readonly DeliveryLedger[], payload: Buffer): void {
    const { publisher, sequence, sentAt } = stampOf(payload);
    ledgers[publisher]?.take(sequence);
    this.deliveries += 1;
    if (this.isMeasuring) this.latencies.push(performance.now() - sentAt);
    this.fillSoon();
  }

  private startPublishing(): NodeJS.Timeout | undefined {
    const { pace } = this.load;
    if ('window' in pace) {
      this.fill();
      return undefined;
    }
    const startedAt = performance.now();
    const behind = () => ((performance.now() - startedAt) / 1000) * pace.perSecond - this.published;
    return setInterval(() => {
      for (let due = behind(); due >= 1; due -= 1) this.publishers[this.published % this.publishers.length]?.publish(1);
    }, 1);
  }

  private get published(): number {
    return this.publishers.reduce((sum, { published }) => sum + published, 0);
  }

  /** Messages that are done: processed by the server, and delivered to everybody. */
  private get done(): number {
    const processed = this.publishers.reduce((sum, each) => sum + each.processed, 0);
    if (this.load.subscribers === 0) return processed;
    const delivered = this.deliveries / this.load.subscribers;
    return this.load.qos === 0 ? delivered : Math.min(processed, delivered);
  }

  /** Refills the window after everything that this turn of the event loop brings. So one write has many messages. */
  private fillSoon(): void {
    if (this.isFilling || 'perSecond' in this.load.pace) return;
    this.isFilling = true;
    setImmediate(() => {
      this.isFilling = false;
      this.fill();
    });
  }

  private fill(): void {
    const { pace, subscribers, qos } = this.load;
    if (this.isOver || !('window' in pace)) return;
    const room = Math.floor((pace.window - (this.published - this.done)) / this.publishers.length);
    const isPinged = qos === 0 && subscribers === 0;
    if (room > 0) for (const publisher of this.publishers) publisher.publish(room, { isPinged });
  }

  private async measure(measureMs: number) {
    const { pids } = this.server;
    const [startedAt, doneBefore, cpuBefore] = [performance.now(), this.counted, pids.map(cpuMillisecondsOf)];
    this.isMeasuring = true;
    await sleep(measureMs);
    this.isMeasuring = false;
    const count = this.counted - doneBefore;
    const cpuMs = pids.map((pid, index) => cpuMillisecondsOf(pid) - (cpuBefore[index] ?? 0));
    return {
      perSecond: count / ((performance.now() - startedAt) / 1000),
      cpuMicroseconds: cpuMs.map((milliseconds) => (milliseconds * 1000) / count),
      p50: quantileOf(this.latencies, 0.5),
      p99: quantileOf(this.latencies, 0.99),
    };
  }

  /** What the rate counts. At QoS 0 in an open loop without subscribers, nobody says what was processed. */
  private get counted(): number {
    if (this.load.subscribers > 0) return this.deliveries;
    return this.load.qos === 0 && 'perSecond' in this.load.pace ? this.published : this.done;
  }

  private async waitForRest(): Promise<void> {
    const isComplete = () => this.done >= this.published;
    if (this.load.subscribers === 0) return;
    // What has not come by then is lost, and is counted.
    await waitFor(isComplete, { deadlineMs: 10_000 }).catch(() => undefined);
  }

  private account() {
    const ledgers = this.ledgers.flat();
    const sum = (count: (ledger: DeliveryLedger) => number) =>
      ledgers.reduce((total, ledger) => total + count(ledger), 0);
    return {
      lost: this.load.subscribers * this.published - sum(({ received }) => received),
      duplicates: sum(({ duplicates }) => duplicates),
      outOfOrder: sum(({ outOfOrder }) => outOfOrder),
    };
  }

  private get idPrefix(): string {
    return this.topicRoot.replaceAll('/', '-');
  }

  private subscriberId(index: number): string {
    return `${this.idPrefix}s${index}`;
  }

  /** A durable session would go on collecting what later rounds publish. */
  private async forgetSessions(): Promise<void> {
    for (let index = 0; index < this.load.subscribers; index += 1) {
      const client = await RawMqtt.open(this.server.subscriberTarget(index), {
        clientId: this.subscriberId(index),
        keepAliveSeconds,
      });
      await client.disconnect();
    }
  }
}
