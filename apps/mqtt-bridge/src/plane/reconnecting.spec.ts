import { once } from 'node:events';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { Bridge } from './bridge.js';
import { BridgeSite, ManualClock, tcpSide, testRules } from './bridge-site.fixture.js';
import type { BridgeSide, BridgeState } from './bridge-types.js';
import { ScriptedSite, silentOnPublish } from './scripted-broker.fixture.js';
import { SlowLink } from './slow-link.fixture.js';

const backOff = { firstMs: 1_000, longestMs: 8_000 };

/** A bridge whose remote broker is away, on a clock of the test. */
function aloneWith(random: number) {
  const clock = new ManualClock();
  const states: BridgeState[] = [];
  let attempts = 0;
  const bridge = new Bridge({
    local: { ...tcpSide(0), open: () => new Promise(() => undefined) },
    remote: {
      ...tcpSide(0),
      open: () => {
        attempts += 1;
        return Promise.reject(new Error('no way'));
      },
    },
    rules: testRules,
    deadLetterPrefix: 'dead/',
    limits: { backOff },
    clock,
    random: () => random,
    onState: (state) => states.push(state),
  });
  return { bridge, clock, states, attempts: () => attempts };
}

const waits = (states: readonly BridgeState[]) =>
  states.flatMap(({ remote }) => (remote.retryInMs === undefined ? [] : [remote.retryInMs]));

describe('a bridge whose broker is away', () => {
  it.each([
    [0, [500, 1_000, 2_000, 4_000, 4_000]],
    [0.5, [1_000, 2_000, 4_000, 8_000, 8_000]],
    [1, [1_500, 3_000, 6_000, 12_000, 12_000]],
  ])('waits longer each time, up to the longest wait, half more or less by chance (%d)', async (random, expected) => {
    const { bridge, clock, states, attempts } = aloneWith(random);
    bridge.start();
    for (const [round, waitMs] of expected.entries()) {
      await waitFor(() => waits(states).length === round + 1);
      expect(attempts()).toBe(round + 1);
      clock.advance(waitMs);
    }
    expect(waits(states).slice(0, 5)).toEqual(expected);
    await bridge.stop();
  });

  it('says which side failed, and why', async () => {
    const { bridge, states } = aloneWith(0.5);
    bridge.start();
    await waitFor(() => waits(states).length === 1);
    expect(bridge.state).toMatchObject({
      status: 'down',
      local: { status: 'waiting' },
      remote: { status: 'waiting', failure: 'no way', cause: { message: 'no way' }, retryInMs: 1_000 },
    });
    expect(bridge.state.local.failure).toBeUndefined();
    await bridge.stop();
    expect(bridge.state).toEqual({
      status: 'down',
      isSubscribed: false,
      local: { status: 'stopped' },
      remote: { status: 'stopped' },
    });
  });

  it('gives up an attempt that takes too long', async () => {
    const clock = new ManualClock();
    const never = { ...tcpSide(0), open: () => new Promise<never>(() => undefined) };
    const bridge = new Bridge({ local: never, remote: never, rules: testRules, deadLetterPrefix: 'dead/', clock });
    bridge.start();
    clock.advance(60_000);
    await waitFor(() => bridge.state.local.status === 'waiting');
    expect(bridge.state.local.failure).toBe('No connection within 60 s.');
    await bridge.stop();
  });

  it('destroys a stream that opens after the attempt was given up', async () => {
    await using other = await ScriptedSite.open();
    await other.up();
    const socket = connect(other.remote.port, '127.0.0.1');
    await once(socket, 'connect');
    let opened = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      opened = resolve;
    });
    const bridge = new Bridge({
      local: { ...tcpSide(0), open: () => late.then(() => socket) },
      remote: { ...tcpSide(0), open: () => Promise.reject(new Error('no way')) },
      rules: testRules,
      deadLetterPrefix: 'dead/',
      clock: new ManualClock(),
    });
    bridge.start();
    await waitFor(() => bridge.state.remote.status === 'waiting');
    opened();
    await waitFor(() => socket.destroyed);
    await bridge.stop();
  });

  it('does not begin a session at the remote broker while the local one is away', async () => {
    await using remote = await ScriptedSite.open();
    await remote.up();
    const before = remote.remote.links.length;
    const bridge = new Bridge({
      local: { ...tcpSide(0), open: () => Promise.reject(new Error('no local broker')) },
      remote: tcpSide(remote.remote.port, { clientId: 'other' }),
      rules: testRules,
      deadLetterPrefix: 'dead/',
      clock: new ManualClock(),
    });
    bridge.start();
    await waitFor(() => bridge.state.local.failure === 'no local broker');
    await bridge.stop();
    expect(remote.remote.links.slice(before).every(({ connect }) => connect === undefined)).toBe(true);
  });
});

describe('a bridge whose connection ends', () => {
  it('drops the other side without a goodbye, so its broker keeps the messages', async () => {
    await using site = await ScriptedSite.open({ remoteScript: silentOnPublish });
    const { local, remote } = await site.up();
    local.publish({ packetId: 1 });
    await waitFor(() => remote.messages.length === 1);
    remote.socket.destroy();
    await waitFor(() => local.isOver);
    expect(local.packets.map(({ type }) => type)).toEqual(['connect', 'subscribe']);
    expect(local.connect?.isClean).toBe(false);
  });

  it('connects to the remote broker first, so that nothing is asked of the source too early', async () => {
    await using site = await ScriptedSite.open({ remoteScript: { take: ({ type }) => type === 'connect' } });
    await waitFor(async () => (await site.remote.link(0)).connect);
    expect((await site.local.link(0)).connect).toBeUndefined();
  });

  it('forgets its failures only when a connection has been good for the reset window', async () => {
    const clock = new ManualClock();
    await using site = await ScriptedSite.open({
      clock,
      random: () => 0.5,
      limits: { backOff, resetWindowMs: 60_000 },
    });
    const fail = async (number: number): Promise<number | undefined> => {
      const link = await site.remote.link(number);
      await waitFor(() => site.bridge.state.status === 'up');
      if (number === 2) clock.advance(60_000);
      link.socket.destroy();
      await waitFor(() => site.bridge.state.remote.status === 'waiting');
      const { retryInMs = 0 } = site.bridge.state.remote;
      clock.advance(retryInMs);
      return retryInMs;
    };
    expect([await fail(0), await fail(1), await fail(2)]).toEqual([1_000, 2_000, 1_000]);
  });

  it('does not subscribe again where the broker has kept the session', async () => {
    await using site = await ScriptedSite.open({ remoteScript: {} });
    const { remote } = await site.up();
    site.remote.script = { connack: { sessionPresent: true } };
    remote.socket.destroy();
    const again = await site.remote.link(1);
    await waitFor(() => site.bridge.state.status === 'up');
    expect(remote.filters).toEqual(['down/#', 'both/#']);
    expect(again.filters).toEqual([]);
  });
});

describe('a bridge that is connected', () => {
  it('greets both brokers before it forwards anything', async () => {
    const greetings = [{ topic: 'health', payload: Buffer.from('up'), retain: true }];
    await using site = await ScriptedSite.open({ localTerms: { greetings }, remoteTerms: { greetings } });
    const { local, remote } = await site.up();
    local.publish({ packetId: 1 });
    await waitFor(() => remote.publishes.length === 2);
    expect(remote.publishes).toMatchObject([{ topic: 'health', retain: true, qos: 1 }, { topic: 'up/a' }]);
    expect(local.messages).toEqual(['health up']);
  });

  it('disconnects a broker that leaves a message unacknowledged for 30 s, and counts it', async () => {
    const clock = new ManualClock();
    await using site = await ScriptedSite.open({ clock, remoteScript: silentOnPublish });
    const { local, remote } = await site.up();
    local.publish({ packetId: 1 });
    await waitFor(() => remote.messages.length === 1);
    clock.advance(29_000);
    expect(site.bridge.figures.directions.outbound).toMatchObject({ oldestUnacknowledgedMs: 29_000, stalls: 0 });
    expect(site.bridge.state.status).toBe('up');
    clock.advance(3_000);
    await waitFor(() => remote.isOver && local.isOver);
    expect(site.bridge.figures.directions.outbound.stalls).toBe(1);
    expect(site.notices).toMatchObject([{ kind: 'destination-stalled', direction: 'outbound' }]);
  });

  describe('over a slow link', () => {
    async function slowSite() {
      const clock = new ManualClock();
      const links: SlowLink[] = [];
      const overRemote = (side: BridgeSide): BridgeSide => ({
        ...side,
        open: async (signal) => {
          const link = new SlowLink(await side.open(signal));
          links.push(link);
          return link;
        },
      });
      const site = await ScriptedSite.open({ clock, remoteScript: silentOnPublish, overRemote });
      const brokers = await site.up();
      const [link] = links;
      if (link === undefined) throw new Error('The bridge is up without a link.');
      return { site, clock, link, ...brokers };
    }

    it('does not disconnect a broker while bytes still leave', async () => {
      const { site, clock, link, local, remote } = await slowSite();
      await using _site = site;
      link.hold();
      local.publish({ packetId: 1 });
      // A message that goes nowhere is done at once. It overtakes nothing.
      local.publish({ packetId: 2, topic: 'elsewhere' });
      await waitFor(() => link.isHolding && site.bridge.figures.directions.outbound.unmapped === 1);
      clock.advance(29_000);
      link.release();
      await waitFor(() => remote.messages.length === 1);
      clock.advance(29_000);
      expect(site.bridge.figures.directions.outbound).toMatchObject({ oldestUnacknowledgedMs: 58_000, stalls: 0 });
      clock.advance(4_000);
      await waitFor(() => remote.isOver);
      expect(site.bridge.figures.directions.outbound.stalls).toBe(1);
    });

    it('disconnects a broker that has acknowledged a later message and not the oldest', async () => {
      const { site, clock, link, local, remote } = await slowSite();
      await using _site = site;
      local.publish({ packetId: 1 });
      local.publish({ packetId: 2 });
      await waitFor(() => remote.messages.length === 2);
      remote.acknowledge(remote.publishes[1]?.packetId ?? 0);
      link.hold();
      local.publish({ packetId: 3 });
      await waitFor(() => link.isHolding && site.bridge.figures.directions.outbound.inFlight === 2);
      clock.advance(29_000);
      link.release();
      await waitFor(() => remote.messages.length === 3);
      clock.advance(3_000);
      await waitFor(() => remote.isOver);
      expect(site.bridge.figures.directions.outbound.stalls).toBe(1);
    });
  });

  it('pings, and leaves a broker that is silent for one and a half times the keep-alive', async () => {
    const clock = new ManualClock();
    await using site = await ScriptedSite.open({
      clock,
      remoteTerms: { keepAliveSeconds: 10 },
      localTerms: { keepAliveSeconds: 0 },
      remoteScript: { take: ({ type }) => type === 'pingreq' },
    });
    const { remote } = await site.up();
    clock.advance(5_000);
    await waitFor(() => remote.packets.at(-1)?.type === 'pingreq');
    clock.advance(5_000);
    expect(site.bridge.state.status).toBe('up');
    clock.advance(5_000);
    await waitFor(() => remote.isOver);
    await waitFor(() => site.bridge.state.remote.status === 'waiting');
    expect(site.bridge.state.remote.failure).toBe('The broker was silent for 15 s.');
  });

  it('keeps the keep-alive that a broker of MQTT 5 asks for', async () => {
    const clock = new ManualClock();
    await using site = await ScriptedSite.open({
      clock,
      remoteTerms: { version: 5, keepAliveSeconds: 60 },
      remoteScript: { connack: { properties: { serverKeepAlive: 4 } } },
    });
    const { remote } = await site.up();
    clock.advance(2_000);
    await waitFor(() => remote.packets.at(-1)?.type === 'pingreq');
  });
});

describe('a bridge that is stopped', () => {
  it('waits for what is in flight, acknowledges it, and says goodbye', async () => {
    await using site = await ScriptedSite.open({ remoteScript: silentOnPublish, limits: { drainMs: 20_000 } });
    const { local, remote } = await site.up();
    local.publish({ packetId: 1 });
    await waitFor(() => remote.messages.length === 1);
    const stopped = site.bridge.stop();
    local.publish({ packetId: 2, topic: 'out/late' });
    remote.acknowledge(remote.publishes[0]?.packetId ?? 0);
    await stopped;
    expect(local.acknowledged).toEqual([1]);
    expect(remote.messages).toEqual(['up/a text']);
    expect([local.packets.at(-1)?.type, remote.packets.at(-1)?.type]).toEqual(['disconnect', 'disconnect']);
  });

  it('does not wait longer than the limit', async () => {
    await using site = await ScriptedSite.open({ remoteScript: silentOnPublish, limits: { drainMs: 50 } });
    const { local, remote } = await site.up();
    local.publish({ packetId: 1 });
    await waitFor(() => remote.messages.length === 1);
    await site.bridge.stop();
    expect(local.acknowledged).toEqual([]);
  });

  it('leaves its will to be published', async () => {
    const will = {
      topic: 'health',
      payload: Buffer.from('down'),
      qos: 1,
      retain: true,
      properties: undefined,
    } as const;
    await using site = await ScriptedSite.open({ localTerms: { will }, remoteTerms: { version: 5, will } });
    const { local, remote } = await site.up();
    await site.bridge.stop();
    expect(local.connect?.will).toEqual(will);
    expect(local.packets.at(-1)?.type).toBe('subscribe');
    expect(remote.packets.at(-1)).toMatchObject({ type: 'disconnect', reasonCode: 4 });
  });

  it('can be started again', async () => {
    await using site = await ScriptedSite.open();
    await site.up();
    await site.bridge.stop();
    site.bridge.start();
    await waitFor(() => site.bridge.state.status === 'up');
    expect(site.bridge.figures.connections).toEqual({ local: 2, remote: 2 });
  });
});

describe('a cloud that takes long to answer', () => {
  it('is connected, although the local broker did not wait for CONNECT so long', async () => {
    await using site = await BridgeSite.open();
    const clock = new ManualClock();
    const [local, remote] = [tcpSide(site.local.port), tcpSide(site.remote.port)];
    const opened: Duplex[] = [];
    const bridge = await site.running({
      clock,
      local: {
        ...local,
        open: async (signal) => {
          const stream = await local.open(signal);
          opened.push(stream);
          return stream;
        },
      },
      remote: {
        ...remote,
        open: async (signal) => {
          const first = await waitFor(() => opened[0]);
          first.destroy();
          clock.advance(6_000);
          return remote.open(signal);
        },
      },
    });
    expect(opened.at(-1)?.destroyed).toBe(false);
    expect(bridge.figures.connections).toEqual({ local: 1, remote: 1 });
  });
});
