import { publishPacket, type RawMqtt, spawnMosquitto, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { Bridge } from './bridge.js';
import { BridgeSite, bridgedMosquitto, quick, tcpSide, testRules } from './bridge-site.fixture.js';
import type { BridgeRules, BridgeSide, BridgeState } from './bridge-types.js';
import { ScriptedBroker } from './scripted-broker.fixture.js';

const talkative = [...bridgedMosquitto, 'log_type all'];

/** A remote broker that is away until the test lets it appear. */
function awayAt(port: number) {
  const side = tcpSide(port);
  let isAway = true;
  const open: BridgeSide['open'] = (signal) =>
    isAway ? Promise.reject(new Error('the cloud is away')) : side.open(signal);
  const appear = (): void => {
    isAway = false;
  };
  return { side: { ...side, open }, appear };
}

function publish(client: RawMqtt, topic: string, isRetained = false): void {
  client.write([publishPacket({ topic, payload: Buffer.from('text'), packetId: 1, isRetained })]);
}

/** How often Mosquitto confirmed subscriptions of a client. */
const confirmed = (output: string, clientId = 'bridge') => output.split(`Sending SUBACK to ${clientId}\n`).length - 1;

const will = { topic: 'w', payload: Buffer.of(), qos: 1, retain: true, properties: undefined } as const;
const otherRules: BridgeRules = { ...testRules, filters: (side) => (side === 'local' ? ['out/#', 'more/#'] : []) };

/** A bridge whose cloud stays away, and what its local broker sees. */
async function scripted(limits = {}) {
  const local = await ScriptedBroker.open();
  const states: BridgeState[] = [];
  const bridge = new Bridge({
    local: tcpSide(local.port, { version: 5, will }),
    remote: awayAt(1).side,
    rules: testRules,
    deadLetterPrefix: 'dead/',
    limits: { ...quick, ...limits },
    onState: (state) => states.push(state),
  });
  bridge.start();
  const close = async (): Promise<void> => {
    await bridge.stop();
    await local[Symbol.asyncDispose]();
  };
  return { local, bridge, states, [Symbol.asyncDispose]: close };
}

describe('a bridge that has not reached its cloud yet', () => {
  it('loses nothing that is published at QoS 1 meanwhile', async () => {
    await using site = await BridgeSite.open(talkative);
    const got = await site.listen('remote', 'up/#');
    const cloud = awayAt(site.remote.port);
    const bridge = site.bridge({ remote: cloud.side });
    bridge.start();
    await waitFor(() => confirmed(site.local.output()) === 1);
    const device = await site.client('local', 'device');
    for (const name of ['1', '2', '3']) publish(device, `out/${name}`);
    await waitFor(() => site.local.output().includes("'out/3'"));
    expect(bridge.state).toMatchObject({ status: 'down', remote: { failure: 'the cloud is away' } });
    cloud.appear();
    await waitFor(() => got.length === 3);
    expect(got).toEqual(['up/1 text', 'up/2 text', 'up/3 text']);
  });

  it.each([4, 5] as const)('keeps number and order of messages over many visits (MQTT %d)', async (version) => {
    await using site = await BridgeSite.open(talkative);
    const got = await site.listen('remote', 'up/#');
    const cloud = awayAt(site.remote.port);
    const local = tcpSide(site.local.port, { version });
    site.bridge({ local, remote: cloud.side, limits: { localCheckMs: 30 } }).start();
    await waitFor(() => confirmed(site.local.output()) === 1);
    const device = await site.client('local', 'device');
    const topics = Array.from({ length: 300 }, (_, index) => `${index}`);
    for (const [index, topic] of topics.entries())
      device.write([publishPacket({ topic: `out/${topic}`, payload: Buffer.from('text'), packetId: index + 1 })]);
    await waitFor(() => site.local.output().includes("'out/299'"));
    const visits = () => site.local.output().split('Received DISCONNECT from bridge').length;
    const before = visits();
    await waitFor(() => visits() > before + 3);
    cloud.appear();
    await waitFor(() => got.includes('up/299 text'));
    expect(got).toEqual(topics.map((topic) => `up/${topic} text`));
  });

  it('subscribes also while the attempt to reach the cloud takes long', async () => {
    await using site = await BridgeSite.open(talkative);
    site.bridge({ remote: { ...tcpSide(1), open: () => new Promise(() => undefined) } }).start();
    await waitFor(() => confirmed(site.local.output()) === 1);
  });

  it.each([4, 5] as const)('forwards retained messages later, also those of QoS 0 (MQTT %d)', async (version) => {
    await using site = await BridgeSite.open(talkative);
    const got = await site.listen('remote', 'up/#');
    const device = await site.client('local', 'device');
    publish(device, 'out/one', true);
    device.write([publishPacket({ topic: 'out/zero', payload: Buffer.from('text'), isRetained: true })]);
    const cloud = awayAt(site.remote.port);
    site.bridge({ local: tcpSide(site.local.port, { version }), remote: cloud.side }).start();
    await waitFor(() => confirmed(site.local.output()) === 1);
    cloud.appear();
    await waitFor(() => new Set(got).size === 2);
    expect(got.toSorted().at(-1)).toBe('up/zero text');
  });

  it('subscribes at a local broker that comes later than the bridge', async () => {
    const { port } = await (async () => {
      await using daemon = await spawnMosquitto();
      return daemon;
    })();
    const bridge = new Bridge({
      local: tcpSide(port),
      remote: awayAt(1).side,
      rules: testRules,
      deadLetterPrefix: 'dead/',
      limits: { ...quick, backOff: { firstMs: 50, longestMs: 600_000 } },
    });
    bridge.start();
    await waitFor(() => bridge.state.local.failure !== undefined);
    await using later = await spawnMosquitto({ port, config: talkative });
    await waitFor(() => confirmed(later.output()) === 1);
    await bridge.stop();
  });
});

describe('the session that a bridge leaves at its local broker while the cloud is away', () => {
  it('is left with a goodbye and without a will, and no message is acknowledged', async () => {
    await using site = await scripted();
    site.local.script = {
      take: (packet, link) => {
        if (packet.type === 'subscribe') link.publish({ packetId: 1 });
        return false;
      },
    };
    const link = await waitFor(() => site.local.links.find(({ connect, isOver }) => connect && isOver));
    expect(link.packets.map(({ type }) => type)).toEqual(['connect', 'subscribe', 'disconnect']);
    expect(link.connect).toMatchObject({ isClean: false, will: undefined, properties: { receiveMaximum: 1 } });
    expect(link.packets.at(-1)).toMatchObject({ reasonCode: 0 });
  });

  it('is not visited again at each attempt to reach the cloud', async () => {
    await using site = await scripted();
    const sessions = () => site.local.links.filter(({ connect }) => connect !== undefined).length;
    await waitFor(() => site.states.filter(({ remote }) => remote.status === 'waiting').length > 6);
    expect(sessions()).toBe(1);
  });

  it('is visited at times, and subscribed again when the broker has lost it', async () => {
    await using site = await scripted({ localCheckMs: 50 });
    const subscribed = () => site.local.links.filter(({ filters }) => filters.length > 0).length;
    await waitFor(() => subscribed() === 2);
    site.local.script = { connack: { sessionPresent: true } };
    const before = site.local.links.length;
    const visits = () => site.local.links.slice(before + 1).filter(({ isOver, connect }) => isOver && connect);
    await waitFor(() => visits().length > 1);
    expect(visits().flatMap(({ filters }) => filters)).toEqual([]);
  });

  it('has the filters of changed rules, and no others', async () => {
    await using site = await scripted();
    await waitFor(() => site.local.links.some(({ isOver, filters }) => isOver && filters.length > 0));
    site.local.script = { connack: { sessionPresent: true } };
    await site.bridge.replaceRules(otherRules);
    const link = site.local.links.find(({ filters }) => filters.includes('more/#'));
    if (link === undefined) throw new Error('The new filters are not there yet.');
    expect(link.filters).toEqual(['more/#']);
    expect(link.packets).toContainEqual(expect.objectContaining({ type: 'unsubscribe', filters: ['both/#'] }));
  });

  it('is not made where the local broker keeps no sessions', async () => {
    await using local = await ScriptedBroker.open();
    const states: BridgeState[] = [];
    const bridge = new Bridge({
      local: tcpSide(local.port, { isClean: true }),
      remote: awayAt(1).side,
      rules: testRules,
      deadLetterPrefix: 'dead/',
      limits: { ...quick },
      onState: (state) => states.push(state),
    });
    bridge.start();
    await waitFor(() => states.filter(({ remote }) => remote.status === 'waiting').length > 3);
    await bridge.stop();
    expect(local.links.some(({ connect }) => connect !== undefined)).toBe(false);
  });

  it('says why the local broker does not let it be', async () => {
    await using site = await scripted();
    site.local.script = { connack: { reasonCode: 0x87 } };
    await waitFor(() => site.states.some(({ local }) => local.failure?.includes('not authorized') === true));
    expect(site.bridge.state.status).toBe('down');
  });
});
