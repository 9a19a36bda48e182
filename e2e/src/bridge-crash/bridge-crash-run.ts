import { setTimeout as sleep } from 'node:timers/promises';
import { CrashPublisher } from '../broker-crash/crash-publisher.js';
import { CrashSubscriber } from '../broker-crash/crash-subscriber.js';
import type { BridgedDevice, Victim } from './bridged-device.js';

export interface BridgeCrashReport {
  readonly victim: Victim;
  readonly kills: number;
  readonly linkCuts: number;
  readonly published: number;
  /** Messages that the local broker has acknowledged, and that never came to the cloud. */
  readonly lost: number;
  /** Messages that came for the first time after a later one of their topic. */
  readonly outOfOrder: number;
  readonly duplicates: number;
  /** The most duplicates of one crash and the link cut before it. */
  readonly mostDuplicatesOfOne: number;
}

const perSecond = 2_000;
/** The crash comes at a random moment of this time under load, in milliseconds, and the link cut before it. */
const [soonest, latest] = [100, 700];
/** What does not come for so long never comes, and is counted as lost. */
const quietMs = 40_000;
const topics = { local: 'c8y/s/us', cloud: 's/us/+' };

const randomWait = (): Promise<void> => sleep(soonest + Math.random() * (latest - soonest));

/**
 * Kills one of the three processes again and again, while a device publishes 2,000 QoS 1 messages a second. A subscriber
 * in the cloud, with a kept session, counts what comes.
 */
export async function crashBridge(device: BridgedDevice, victim: Victim, kills: number): Promise<BridgeCrashReport> {
  const run = new BridgeCrashRun(device, victim);
  await run.open();
  for (let kill = 0; kill < kills; kill += 1) await run.crash();
  return run.close();
}

class BridgeCrashRun {
  private readonly publisher: CrashPublisher;
  private readonly reader: CrashSubscriber;
  private kills = 0;
  private mostDuplicatesOfOne = 0;

  constructor(
    private readonly device: BridgedDevice,
    private readonly victim: Victim,
  ) {
    this.publisher = new CrashPublisher(device.localTarget, topics.local);
    this.reader = new CrashSubscriber('reader', device.cloudTarget);
  }

  async open(): Promise<void> {
    await this.reader.connect();
    await this.reader.subscribe(topics.cloud);
    await this.publisher.connect();
  }

  async crash(): Promise<void> {
    const before = this.reader.ledger.duplicates;
    const publishing = this.publisher.publishUntilCut(perSecond);
    await randomWait();
    this.device.link.cut();
    await randomWait();
    await this.device.kill(this.victim);
    // The device goes on while the bridge or the cloud is away.
    if (this.victim !== 'local broker') await randomWait();
    await this.publisher.disconnect();
    await publishing;
    await this.device.resume(this.victim);
    if (this.victim === 'broker of the cloud') await this.reader.connect();
    await this.publisher.connect();
    await this.settle(() => this.publisher.waiting);
    await this.settle(() => this.publisher.published - this.reader.ledger.received);
    this.kills += 1;
    this.mostDuplicatesOfOne = Math.max(this.mostDuplicatesOfOne, this.reader.ledger.duplicates - before);
  }

  async close(): Promise<BridgeCrashReport> {
    await Promise.all([this.publisher.disconnect(), this.reader.disconnect()]);
    const { victim, kills, mostDuplicatesOfOne, publisher, reader } = this;
    const { received, outOfOrder, duplicates } = reader.ledger;
    const { published, waiting } = publisher;
    const lost = published - waiting - received;
    return { victim, kills, linkCuts: kills, published, lost, outOfOrder, duplicates, mostDuplicatesOfOne };
  }

  private async settle(missing: () => number): Promise<void> {
    let [fewest, changedAt] = [missing(), performance.now()];
    while (fewest > 0 && performance.now() - changedAt < quietMs) {
      await sleep(5);
      if (missing() >= fewest) continue;
      [fewest, changedAt] = [missing(), performance.now()];
    }
  }
}
