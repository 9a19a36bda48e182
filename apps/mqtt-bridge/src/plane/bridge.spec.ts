import { publishPacket, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { BridgeSite } from './bridge-site.fixture.js';

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
});
