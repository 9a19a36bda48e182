import { setTimeout as sleep } from 'node:timers/promises';
import { type RawMqttTarget, waitFor } from '@sallyport/testkit';
import { CrashPublisher } from './crash-publisher.js';
import { CrashSubscriber } from './crash-subscriber.js';

/** A broker that can be killed, and how its clients reach it. */
export interface CrashingBroker {
  readonly publisherTarget: RawMqttTarget;
  readonly subscriberTarget: RawMqttTarget;
  /** First levels of the topics that these clients may use. */
  readonly topicRoot: string;
  /** Ends the process of the broker with SIGKILL, and resolves when it has gone. */
  kill(): Promise<void>;
  /** Starts it again with the same state. Resolves when clients can connect. */
  resume(): Promise<void>;
}

/** What one subscriber got. `lost` are messages that were acknowledged and never came. */
export interface Account {
  readonly lost: number;
  readonly duplicates: number;
  readonly outOfOrder: number;
}

export interface CrashReport {
  readonly kills: number;
  readonly acknowledged: number;
  /** Sessions that the broker had forgotten after a kill. */
  readonly forgottenSessions: number;
  readonly present: Account;
  readonly away: Account;
}

const perSecond = 2_000;
/** The broker is killed at a random moment of this time under load, in milliseconds. */
const [soonest, latest] = [100, 700];
const quietMs = 20_000;
const reconnectMs = 60_000;

/**
 * Kills a broker again and again, while a client publishes 2,000 QoS 1 messages a second. One subscriber with a durable
 * session is present; another is away during each crash, and comes for its messages after it.
 */
export async function crashAgainAndAgain(broker: CrashingBroker, kills: number): Promise<CrashReport> {
  const run = new CrashRun(broker);
  await run.open();
  for (let kill = 0; kill < kills; kill += 1) await run.crash();
  await run.close();
  return run.report(kills);
}

class CrashRun {
  private readonly publisher: CrashPublisher;
  private readonly present: CrashSubscriber;
  private readonly away: CrashSubscriber;
  private forgottenSessions = 0;

  constructor(private readonly broker: CrashingBroker) {
    const { publisherTarget, subscriberTarget, topicRoot } = broker;
    this.publisher = new CrashPublisher(publisherTarget, topicRoot);
    this.present = new CrashSubscriber('present', subscriberTarget);
    this.away = new CrashSubscriber('away', subscriberTarget);
  }

  async open(): Promise<void> {
    for (const subscriber of [this.present, this.away]) {
      await subscriber.connect();
      await subscriber.subscribe(`${this.broker.topicRoot}/#`);
    }
    await this.away.disconnect();
    await this.publisher.connect();
  }

  async crash(): Promise<void> {
    const publishing = this.publisher.publishUntilCut(perSecond);
    await sleep(soonest + Math.random() * (latest - soonest));
    await this.broker.kill();
    await publishing;
    await this.broker.resume();
    await this.reconnect(this.present);
    await untilServed(() => this.publisher.connect());
    await this.settle(() => this.publisher.waiting);
    await this.reconnect(this.away);
    const everyone = [this.present, this.away];
    await this.settle(() => this.publisher.published - Math.min(...everyone.map(({ ledger }) => ledger.received)));
    await this.away.disconnect();
  }

  async close(): Promise<void> {
    await Promise.all([this.publisher.disconnect(), this.present.disconnect()]);
  }

  report(kills: number): CrashReport {
    const account = ({ ledger: { received, duplicates, outOfOrder } }: CrashSubscriber): Account => {
      return { lost: this.acknowledged - received, duplicates, outOfOrder };
    };
    const { acknowledged, forgottenSessions } = this;
    return { kills, acknowledged, forgottenSessions, present: account(this.present), away: account(this.away) };
  }

  private get acknowledged(): number {
    return this.publisher.published - this.publisher.waiting;
  }

  private async reconnect(subscriber: CrashSubscriber): Promise<void> {
    if (!(await untilServed(() => subscriber.connect()))) this.forgottenSessions += 1;
  }

  /** Waits until nothing is missing. What does not come for some time never comes, and is counted as lost. */
  private async settle(missing: () => number): Promise<void> {
    let [fewest, changedAt] = [missing(), performance.now()];
    while (fewest > 0 && performance.now() - changedAt < quietMs) {
      await sleep(5);
      if (missing() >= fewest) continue;
      [fewest, changedAt] = [missing(), performance.now()];
    }
  }
}

/** A broker that has just come back may turn clients away for a moment (return code 3). They come again. */
async function untilServed<T>(connect: () => Promise<T>): Promise<T> {
  const served = await waitFor(async () => ({ answer: await connect() }), {
    what: 'the connection after a crash',
    deadlineMs: reconnectMs,
  });
  return served.answer;
}
