import { cpSync } from 'node:fs';
import type { MqttPacket, Qos } from '@sallyport/mqtt-wire';
import { type TemporaryDirectory, temporaryDirectory, waitFor } from '@sallyport/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ManualClient } from './manual-client.fixture.js';
import { TestBroker } from './testing.js';

type Step =
  | { readonly publish: Qos }
  | { readonly cut: 'publisher' | 'subscriber' | 'broker' }
  | { readonly pass: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ publish: fc.constantFrom<Qos>(1, 2) }) },
  { weight: 2, arbitrary: fc.record({ cut: fc.constantFrom('publisher', 'subscriber') }) },
  { weight: 1, arbitrary: fc.record({ cut: fc.constant('broker') }) },
  { weight: 4, arbitrary: fc.record({ pass: fc.nat(6) }) },
);

interface Sent {
  readonly payload: string;
  readonly qos: Qos;
  /** Of a QoS 2 message: PUBREC has come. */
  isReceived: boolean;
}

/** A publisher and a subscriber that keep to the standard over every cut, and a broker that crashes. */
class History implements AsyncDisposable {
  /** What the subscriber took as new, in order. */
  readonly delivered: string[] = [];
  readonly published: string[] = [];
  private readonly root: TemporaryDirectory = temporaryDirectory();
  private readonly sites: TestBroker[] = [];
  private readonly unacknowledged = new Map<number, Sent>();
  private readonly unreleased = new Set<number>();
  private publisher: ManualClient | undefined;
  private subscriber: ManualClient | undefined;
  private lastId = 0;

  async open(): Promise<void> {
    await this.startBroker();
    await (await this.subscribing()).subscribe({ a: 2 });
  }

  async take(each: Step): Promise<void> {
    if ('publish' in each) await this.publish(each.publish);
    else if ('pass' in each) for (let turns = 0; turns <= each.pass; turns += 1) await this.turn();
    else if (each.cut === 'broker') await this.crash();
    else await this.cut(each.cut);
  }

  /** Lets everything arrive. */
  async finish(): Promise<void> {
    await waitFor(async () => {
      await this.publishing();
      await this.subscribing();
      await this.turn();
      return this.unacknowledged.size === 0 && new Set(this.delivered).size === this.published.length;
    });
    // What would come twice has come after one more round.
    await (await this.subscribing()).settle();
    await this.turn();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const site of this.sites) await site.close();
    await this.root.remove();
  }

  private get broker() {
    const broker = this.sites.at(-1)?.broker;
    if (broker === undefined) throw new Error('no broker runs');
    return broker;
  }

  private async startBroker(): Promise<void> {
    const run = this.sites.length;
    // At this very moment: what the broker is writing now is lost.
    if (run > 0) cpSync(this.root.file(`${run - 1}`), this.root.file(`${run}`), { recursive: true });
    this.sites.push(await TestBroker.start({ directory: this.root.file(`${run}`) }));
  }

  private async crash(): Promise<void> {
    // What was on its way to the clients of the old broker is lost with it.
    for (const client of [this.publisher, this.subscriber]) if (client !== undefined) client.received.length = 0;
    const [publisher, subscriber] = [this.publisher, this.subscriber];
    [this.publisher, this.subscriber] = [undefined, undefined];
    await this.startBroker();
    await publisher?.drop();
    await subscriber?.drop();
  }

  private async cut(whose: 'publisher' | 'subscriber'): Promise<void> {
    const client = this[whose];
    this[whose] = undefined;
    await client?.drop();
  }

  private async publish(qos: Qos): Promise<void> {
    const client = await this.publishing();
    this.lastId = (this.lastId % 65_535) + 1;
    const payload = String(this.published.length);
    this.published.push(payload);
    this.unacknowledged.set(this.lastId, { payload, qos, isReceived: false });
    client.publish('a', payload, { qos, packetId: this.lastId });
  }

  /** Sends again, in order, what is not acknowledged [MQTT-4.4.0-1]. */
  private async publishing(): Promise<ManualClient> {
    if (this.publisher !== undefined) return this.publisher;
    const client = await ManualClient.open(this.broker, { clientId: 'publisher', isClean: false });
    this.publisher = client;
    for (const [packetId, { payload, qos, isReceived }] of this.unacknowledged)
      if (isReceived) client.acknowledge('pubrel', packetId);
      else client.publish('a', payload, { qos, packetId, isDuplicate: true });
    return client;
  }

  private async subscribing(): Promise<ManualClient> {
    this.subscriber ??= await ManualClient.open(this.broker, { clientId: 'subscriber', isClean: false });
    return this.subscriber;
  }

  private async turn(): Promise<void> {
    await new Promise(setImmediate);
    for (const packet of this.publisher?.received.splice(0) ?? []) this.atPublisher(packet);
    for (const packet of this.subscriber?.received.splice(0) ?? []) this.atSubscriber(packet);
  }

  private atPublisher(packet: MqttPacket): void {
    if (packet.type === 'puback' || packet.type === 'pubcomp') this.unacknowledged.delete(packet.packetId);
    if (packet.type !== 'pubrec') return;
    const sent = this.unacknowledged.get(packet.packetId);
    if (sent !== undefined) sent.isReceived = true;
    this.publisher?.acknowledge('pubrel', packet.packetId);
  }

  private atSubscriber(packet: MqttPacket): void {
    if (packet.type === 'pubrel') {
      this.unreleased.delete(packet.packetId);
      this.subscriber?.acknowledge('pubcomp', packet.packetId);
    }
    if (packet.type !== 'publish') return;
    if (packet.qos !== 2 || !this.unreleased.has(packet.packetId)) this.delivered.push(`${packet.payload}`);
    if (packet.qos === 2) this.unreleased.add(packet.packetId);
    this.subscriber?.acknowledge(packet.qos === 2 ? 'pubrec' : 'puback', packet.packetId);
  }
}

describe('whatever is cut, and whenever', () => {
  it('each message comes, QoS 2 once, and each first time in the order of publication', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
        await using history = new History();
        await history.open();
        for (const each of steps) await history.take(each);
        await history.finish();
        expect([...new Set(history.delivered)]).toEqual(history.published);
        const isOnce = steps.flatMap((each) => ('publish' in each ? [each.publish === 2] : []));
        const twice = history.published.filter(
          (payload, index) => isOnce[index] && history.delivered.filter((each) => each === payload).length > 1,
        );
        expect(twice).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });
});
