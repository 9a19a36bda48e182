import { publishPacket, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { BridgeSite, tcpSide } from './bridge-site.fixture.js';

const message = (topic: string, text: string, packetId?: number) =>
  publishPacket({ topic, payload: Buffer.from(text), ...(packetId === undefined ? {} : { packetId }) });

describe('a bridge between two brokers', () => {
  it('forwards messages of both directions to the topic that the rules say', async () => {
    await using site = await BridgeSite.open();
    const [up, down] = [await site.listen('remote', 'up/#'), await site.listen('local', 'in/#')];
    const bridge = await site.running();
    const [local, remote] = [await site.client('local', 'device'), await site.client('remote', 'cloud')];
    local.write([message('out/a/b', 'one', 1), message('out/a/c', 'two'), message('other/a', 'none', 2)]);
    remote.write([message('down/x', 'three', 1)]);
    await waitFor(() => up.length + down.length === 3);
    expect(up).toEqual(['up/a/b one', 'up/a/c two']);
    expect(down).toEqual(['in/x three']);
    expect(bridge.figures.directions.outbound).toMatchObject({ inFlight: 0, held: 0, unmapped: 0 });
  });

  it.each([
    [4, 4],
    [5, 4],
    [4, 5],
    [5, 5],
  ] as const)('brings a message of a rule in both directions to each broker once (MQTT %d, %d)', async (one, other) => {
    await using site = await BridgeSite.open();
    const [near, far] = [await site.listen('local', 'both/#'), await site.listen('remote', 'both/#')];
    await site.running({
      local: tcpSide(site.local.port, { version: one }),
      remote: tcpSide(site.remote.port, { version: other }),
    });
    const [local, remote] = [await site.client('local', 'device'), await site.client('remote', 'cloud')];
    local.write([message('both/a', 'one', 1)]);
    await waitFor(() => far.length === 1);
    remote.write([message('both/a', 'two', 1)]);
    await waitFor(() => near.length === 2);
    // An echo would have gone round by the time these have.
    local.write([message('both/a', 'three', 2)]);
    await waitFor(() => far.length >= 3);
    remote.write([message('both/a', 'four', 2)]);
    await waitFor(() => near.length >= 4 && far.length >= 4);
    const once = ['both/a one', 'both/a two', 'both/a three', 'both/a four'];
    expect([near, far]).toEqual([once, once]);
  });

  it('keeps the retain flag between brokers of MQTT 5', async () => {
    await using site = await BridgeSite.open();
    await site.running({
      local: tcpSide(site.local.port, { version: 5 }),
      remote: tcpSide(site.remote.port, { version: 5 }),
    });
    const local = await site.client('local', 'device');
    const early = await site.listen('remote', 'up/#');
    local.write([
      publishPacket({ topic: 'out/a', payload: Buffer.from('kept'), packetId: 1, isRetained: true }),
      message('out/b', 'gone', 2),
    ]);
    await waitFor(() => early.length === 2);
    const late = await site.listen('remote', 'up/#');
    local.write([message('out/c', 'last', 3)]);
    await waitFor(() => late.includes('up/c last'));
    expect(late).toEqual(['up/a kept', 'up/c last']);
  });
});
