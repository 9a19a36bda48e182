import { DeliveryLedger, publishPacket, RawMqtt, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import type { Bridge } from './bridge.js';
import { defaultLimits } from './bridge-limits.js';
import { BridgeSite, CuttingProxy, ManualClock, tcpSide } from './bridge-site.fixture.js';

const topics = 10;
const messages = 20_000;
const outageMs = 600_000;

/** Publishes at QoS 1, and resolves when the local broker has acknowledged everything. */
async function publishAll(port: number): Promise<void> {
  await using client = await RawMqtt.open({ port }, { clientId: 'device' });
  let acknowledged = 0;
  client.onAcknowledged = () => {
    acknowledged += 1;
  };
  for (let sequence = 0; sequence < messages; sequence += 1) {
    const payload = Buffer.alloc(100);
    payload.writeUInt32BE(sequence);
    client.write([publishPacket({ topic: `out/${sequence % topics}`, payload, packetId: sequence + 1 })]);
    // Mosquitto reads no more from a client that has so many messages under way.
    if (sequence % 500 === 499) await waitFor(() => acknowledged === sequence + 1);
  }
}

/** Lets time pass, and waits for the end of each attempt to connect. Returns the number of attempts. */
async function passTime(bridge: Bridge, clock: ManualClock, attempts: () => number): Promise<number> {
  const before = attempts();
  for (let passedMs = 0; passedMs < outageMs; passedMs += 5_000) {
    clock.advance(5_000);
    await waitFor(() => bridge.state.remote.status === 'waiting');
  }
  return attempts() - before;
}

describe('a bridge whose cloud is away for ten minutes', () => {
  it('tries again ever more rarely, then forwards everything in order, and holds little of it at a time', async () => {
    await using site = await BridgeSite.open();
    let isAway = false;
    let attempts = 0;
    const portNow = (): number => {
      attempts += 1;
      // Nobody listens at port 1.
      return isAway ? 1 : proxy.port;
    };
    await using proxy = await CuttingProxy.to(() => site.remote.port);
    const ledger = new DeliveryLedger(topics);
    const onMessage: RawMqtt['onMessage'] = ({ payload }) => void ledger.take(payload.readUInt32BE(0));
    const cloud = await site.client('remote', 'cloud', onMessage);
    await cloud.subscribe('up/#', 1);
    const clock = new ManualClock();
    const { backOff } = defaultLimits;
    const bridge = await site.running({ clock, remote: tcpSide(portNow), limits: { backOff } });

    isAway = true;
    proxy.cut();
    await waitFor(() => bridge.state.remote.status === 'waiting');
    await publishAll(site.local.port);
    // 5, 10, 20 ... 320 s, each up to half longer or shorter.
    expect(await passTime(bridge, clock, () => attempts)).toBeLessThanOrEqual(9);
    expect(bridge.figures.directions.outbound).toMatchObject({ inFlight: 0, held: 0 });

    isAway = false;
    let [mostHeldBytes, mostInFlight] = [0, 0];
    await waitFor(() => {
      // The last attempt may still have found nobody, and waits again.
      if (bridge.state.remote.status === 'waiting') clock.advance(backOff.longestMs * 1.5);
      const { heldBytes, inFlight } = bridge.figures.directions.outbound;
      [mostHeldBytes, mostInFlight] = [Math.max(mostHeldBytes, heldBytes), Math.max(mostInFlight, inFlight)];
      return ledger.received === messages;
    });
    expect([ledger.outOfOrder, ledger.duplicates]).toEqual([0, 0]);
    expect(mostHeldBytes).toBeLessThan(2 * 1024 * 1024);
    expect(mostInFlight).toBeLessThanOrEqual(defaultLimits.windowMessages);
  });
});
