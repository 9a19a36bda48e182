import { statSync } from 'node:fs';
import {
  type Daemon,
  DeliveryLedger,
  publishPacket,
  RawMqtt,
  spawnMosquitto,
  temporaryDirectory,
  waitFor,
} from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { BridgeSite, bridgedMosquitto, CuttingProxy, tcpSide } from './bridge-site.fixture.js';

const topics = 5;
// Saved when it is told so, and read at the next start.
const durable = (folder: string) => [...bridgedMosquitto, 'persistence true', `persistence_location ${folder}/`];

/** Publishes numbered messages at QoS 1, with many under way, and again what was not acknowledged. */
class Publisher {
  acknowledged = 0;
  private client: RawMqtt | undefined;
  private next = 0;
  private readonly underWay = new Map<number, number>();

  constructor(
    private readonly port: number,
    private readonly messages: number,
  ) {}

  async connect(): Promise<void> {
    const client = await RawMqtt.open({ port: this.port }, { clientId: 'publisher', isClean: false });
    client.onAcknowledged = (packetId) => {
      this.underWay.delete(packetId);
      this.acknowledged += 1;
      this.fill();
    };
    this.client = client;
    for (const [packetId, sequence] of this.underWay) client.write([numbered(sequence, packetId, true)]);
    this.fill();
  }

  private fill(): void {
    while (this.underWay.size < 50 && this.next < this.messages) {
      const packetId = (this.next % 60_000) + 1;
      this.underWay.set(packetId, this.next);
      this.client?.write([numbered(this.next, packetId, false)]);
      this.next += 1;
    }
  }
}

function numbered(sequence: number, packetId: number, isDuplicate: boolean): Buffer {
  const payload = Buffer.alloc(100);
  payload.writeUInt32BE(sequence);
  return publishPacket({ topic: `out/${sequence % topics}`, payload, packetId, isDuplicate });
}

/** Counts what comes to the remote broker, in a session that outlives its connections. */
async function counter(port: number, ledger: DeliveryLedger): Promise<RawMqtt> {
  const onMessage: RawMqtt['onMessage'] = ({ payload }) => void ledger.take(payload.readUInt32BE(0));
  const client = await RawMqtt.open({ port }, { clientId: 'counter', isClean: false }, { onMessage });
  await client.subscribe('up/#', 1);
  return client;
}

describe('a bridge at QoS 1', () => {
  it('loses nothing and keeps the order of a topic when its links are cut again and again', async () => {
    await using site = await BridgeSite.open();
    await using proxy = await CuttingProxy.to(() => site.remote.port);
    await using localProxy = await CuttingProxy.to(() => site.local.port);
    const ledger = new DeliveryLedger(topics);
    await using _counter = await counter(site.remote.port, ledger);
    const bridge = await site.running({ local: tcpSide(localProxy.port), remote: tcpSide(proxy.port) });
    const messages = 20_000;
    const publisher = new Publisher(site.local.port, messages);
    await publisher.connect();
    for (let cuts = 1; cuts <= 6; cuts += 1) {
      await waitFor(() => ledger.received >= (cuts * messages) / 8 && bridge.state.status === 'up');
      (cuts % 2 === 0 ? localProxy : proxy).cut();
    }
    await waitFor(() => ledger.received === messages, { what: 'all messages', deadlineMs: 60_000 });
    expect(ledger.outOfOrder).toBe(0);
    // The bridge makes no duplicates: each is a message that the source had under way and sent again.
    expect(ledger.duplicates).toBeLessThanOrEqual(bridge.figures.rules[0]?.redelivered ?? 0);
    expect(bridge.figures.connections.remote).toBe(7);
    await waitFor(() => bridge.figures.directions.outbound.inFlight === 0);
  });

  it('loses nothing when the remote broker is killed and comes back', async () => {
    await using site = await BridgeSite.open();
    let remote: Daemon = await spawnMosquitto({ config: bridgedMosquitto });
    const ledger = new DeliveryLedger(topics);
    await using _first = await counter(remote.port, ledger);
    let { port } = remote;
    await using link = await CuttingProxy.to(() => port);
    const bridge = await site.running({ remote: tcpSide(link.port) });
    const messages = 10_000;
    const publisher = new Publisher(site.local.port, messages);
    await publisher.connect();
    await waitFor(() => ledger.received >= 2_000);
    // What the broker has acknowledged and not yet delivered is lost with it: nobody else can know.
    const acknowledged = () => bridge.figures.rules[0]?.acknowledged ?? 0;
    await remote.kill();
    const before = { received: ledger.received, acknowledged: acknowledged() };
    remote = await spawnMosquitto({ config: bridgedMosquitto });
    site.after(() => remote.stop());
    await using _second = await counter(remote.port, ledger);
    // The bridge reaches it only now: what comes before the counter goes nowhere.
    ({ port } = remote);
    await waitFor(() => acknowledged() >= messages && bridge.figures.directions.outbound.inFlight === 0);
    const lostWithTheBroker = Math.max(0, before.acknowledged - before.received);
    await waitFor(() => ledger.received >= messages - lostWithTheBroker, { what: 'all messages' });
    expect(ledger.outOfOrder).toBe(0);
  });

  it('loses nothing that the local broker has saved when that is killed in the middle of a drain', async () => {
    await using site = await BridgeSite.open();
    const folder = temporaryDirectory('sallyport-bridge-');
    const local = await spawnMosquitto({ config: durable(folder.path) });
    const { port } = local;
    const ledger = new DeliveryLedger(topics);
    await using _counter = await counter(site.remote.port, ledger);
    const bridge = await site.running({ local: tcpSide(port), limits: { windowMessages: 20, drainMs: 200 } });
    await bridge.stop();
    const messages = 5_000;
    const publisher = new Publisher(port, messages);
    await publisher.connect();
    await waitFor(() => publisher.acknowledged === messages);
    process.kill(local.pid, 'SIGUSR1');
    await waitFor(() => statSync(folder.file('mosquitto.db')).size > messages * 100);
    bridge.start();
    await waitFor(() => ledger.received > 500);
    await local.kill();
    const received = ledger.received;
    const again = await spawnMosquitto({ config: durable(folder.path), port });
    site.after(() => again.stop().then(folder.remove));
    await waitFor(() => ledger.received === messages, { what: 'all messages' });
    expect(received).toBeLessThan(messages);
    // The order of the second delivery counts for each message that the first one had not brought.
    expect(ledger.outOfOrder).toBe(0);
    expect(ledger.duplicates).toBeLessThanOrEqual(received + 20);
  });

  it('drains what has gathered while the remote broker was away, with bounded memory', async () => {
    await using site = await BridgeSite.open();
    await using proxy = await CuttingProxy.to(() => (isAway ? 1 : site.remote.port));
    let isAway = false;
    const ledger = new DeliveryLedger(topics);
    await using _counter = await counter(site.remote.port, ledger);
    const bridge = await site.running({ remote: tcpSide(proxy.port) });
    isAway = true;
    proxy.cut();
    await waitFor(() => bridge.state.status === 'down');
    const messages = 20_000;
    const publisher = new Publisher(site.local.port, messages);
    await publisher.connect();
    await waitFor(() => publisher.acknowledged === messages);
    expect(bridge.figures.directions.outbound).toMatchObject({ inFlight: 0, held: 0 });
    isAway = false;
    let mostHeld = 0;
    await waitFor(() => {
      const { heldBytes } = bridge.figures.directions.outbound;
      mostHeld = Math.max(mostHeld, heldBytes);
      return ledger.received === messages;
    });
    expect(ledger.outOfOrder).toBe(0);
    expect(mostHeld).toBeLessThan(2 * 1024 * 1024);
  });

  it('has the messages of a topic on one connection when it spreads them over several', async () => {
    await using site = await BridgeSite.open();
    const ledger = new DeliveryLedger(topics);
    await using _counter = await counter(site.remote.port, ledger);
    await using proxy = await CuttingProxy.to(() => site.remote.port);
    const bridge = await site.running({ remote: tcpSide(proxy.port), limits: { egressConnections: 3 } });
    const messages = 10_000;
    const publisher = new Publisher(site.local.port, messages);
    await publisher.connect();
    await waitFor(() => ledger.received > messages / 2);
    proxy.cut();
    await waitFor(() => ledger.received === messages, { what: 'all messages' });
    expect(ledger.outOfOrder).toBe(0);
    await waitFor(() => bridge.figures.directions.outbound.inFlight === 0);
  });
});
