import { waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { ScriptedSite, silentOnPublish } from './scripted-broker.fixture.js';

const text = (value: string) => Buffer.from(value);

describe('the bridge and the acknowledgements of QoS 1', () => {
  it('acknowledges a message to its source only when its destination has acknowledged it', async () => {
    await using site = await ScriptedSite.open({ remoteScript: silentOnPublish });
    const { local, remote } = await site.up();
    local.publish({ packetId: 7 });
    await waitFor(() => remote.messages.length === 1);
    // What comes behind it shows that time has passed for the first.
    local.send({ type: 'pingresp' });
    local.publish({ topic: 'out/b', qos: 0 });
    await waitFor(() => remote.messages.length === 2);
    expect(local.acknowledged).toEqual([]);
    remote.acknowledge(remote.publishes[0]?.packetId ?? 0);
    await waitFor(() => local.acknowledged.length === 1);
    expect(local.acknowledged).toEqual([7]);
  });

  it('acknowledges in the order in which the messages came, whatever the order of the destination is', async () => {
    await using site = await ScriptedSite.open({ remoteScript: silentOnPublish });
    const { local, remote } = await site.up();
    for (const packetId of [30, 10, 20]) local.publish({ packetId });
    await waitFor(() => remote.messages.length === 3);
    const [first = 0, second = 0, third = 0] = remote.publishes.map(({ packetId }) => packetId);
    remote.acknowledge(third);
    remote.acknowledge(second);
    local.publish({ packetId: 40 });
    await waitFor(() => remote.messages.length === 4);
    expect(local.acknowledged).toEqual([]);
    remote.acknowledge(first);
    await waitFor(() => local.acknowledged.length === 3);
    expect(local.acknowledged).toEqual([30, 10, 20]);
  });

  it('acknowledges a message that no rule matches, counts it, and forwards nothing', async () => {
    await using site = await ScriptedSite.open();
    const { local, remote } = await site.up();
    local.publish({ topic: 'elsewhere', packetId: 3 });
    await waitFor(() => local.acknowledged.length === 1);
    expect(remote.messages).toEqual([]);
    expect(site.bridge.figures.directions.outbound.unmapped).toBe(1);
  });

  it('forwards a message of QoS 2 at QoS 1, and finishes the exchange with its source', async () => {
    await using site = await ScriptedSite.open();
    const { local, remote } = await site.up();
    local.publish({ qos: 2, packetId: 5 });
    await waitFor(() => local.packets.some(({ type }) => type === 'pubrec'));
    expect(remote.publishes).toMatchObject([{ topic: 'up/a', qos: 1 }]);
    local.send({ type: 'pubrel', packetId: 5, reasonCode: 0, properties: undefined });
    await waitFor(() => local.packets.some(({ type }) => type === 'pubcomp'));
    expect(local.packets.slice(-2)).toMatchObject([
      { type: 'pubrec', packetId: 5 },
      { type: 'pubcomp', packetId: 5 },
    ]);
  });

  it('has no more messages under way than the destination takes', async () => {
    const connack = { properties: { receiveMaximum: 3 } };
    await using site = await ScriptedSite.open({
      remoteTerms: { version: 5 },
      remoteScript: { ...silentOnPublish, connack },
    });
    const { local, remote } = await site.up();
    for (let packetId = 1; packetId <= 10; packetId += 1) local.publish({ packetId, payload: text(String(packetId)) });
    await waitFor(() => site.bridge.figures.directions.outbound.held === 7 && remote.messages.length === 3);
    expect(remote.messages).toEqual(['up/a 1', 'up/a 2', 'up/a 3']);
    for (const { packetId } of remote.publishes) remote.acknowledge(packetId);
    await waitFor(() => remote.messages.length === 6);
    expect(local.acknowledged).toEqual([1, 2, 3]);
  });

  it('tells a source of MQTT 5 how much the destination takes at a time', async () => {
    const connack = { properties: { receiveMaximum: 11 } };
    await using site = await ScriptedSite.open({
      localTerms: { version: 5 },
      remoteTerms: { version: 5 },
      remoteScript: { connack },
    });
    const { local } = await site.up();
    expect(local.connect?.properties?.receiveMaximum).toBe(11);
  });

  it('serves the acknowledgements of one direction while the other one waits', async () => {
    await using site = await ScriptedSite.open({
      remoteScript: silentOnPublish,
      limits: { windowMessages: 2, heldBytes: 200 },
    });
    const { local, remote } = await site.up();
    const payload = Buffer.alloc(50);
    for (let packetId = 1; packetId <= 20; packetId += 1) local.publish({ packetId, payload });
    await waitFor(() => remote.messages.length === 2);
    for (let packetId = 1; packetId <= 20; packetId += 1) remote.publish({ topic: 'down/x', packetId });
    // The local broker is not read now, so these are read when the remote one has acknowledged.
    let next = 0;
    await waitFor(() => {
      for (; next < remote.publishes.length; next += 1) remote.acknowledge(remote.publishes[next]?.packetId ?? 0);
      return local.acknowledged.length === 20 && remote.acknowledged.length === 20;
    });
    expect(remote.messages).toHaveLength(20);
  });
});

describe('the bridge and messages that a destination does not take', () => {
  it('drops a message that is too large for the remote side, acknowledges it and names its topic', async () => {
    await using site = await ScriptedSite.open({ largestPublishBytes: 100 });
    const { local, remote } = await site.up();
    local.publish({ topic: 'out/large', packetId: 1, payload: Buffer.alloc(100) });
    local.publish({ topic: 'out/small', packetId: 2 });
    await waitFor(() => local.acknowledged.length === 2);
    expect(local.acknowledged).toEqual([1, 2]);
    expect(remote.messages).toEqual(['up/small text']);
    expect(site.notices).toEqual([
      {
        kind: 'message-dropped',
        direction: 'outbound',
        reason: 'too-large',
        topic: 'out/large',
        bytes: 114,
        limitBytes: 100,
      },
    ]);
    expect(site.bridge.figures.rules[0]?.dropped['too-large']).toBe(1);
  });

  it('takes the limit that the broker names itself', async () => {
    const connack = { properties: { maximumPacketSize: 50 } };
    await using site = await ScriptedSite.open({ remoteTerms: { version: 5 }, remoteScript: { connack } });
    const { local, remote } = await site.up();
    local.publish({ packetId: 1, payload: Buffer.alloc(60) });
    await waitFor(() => local.acknowledged.length === 1);
    expect(remote.messages).toEqual([]);
  });

  it.each([
    ['not authorized', 0x87],
    ['topic name invalid', 0x90],
    ['payload format invalid', 0x99],
    ['packet too large', 0x95],
  ])('keeps a message that is refused as "%s" as a dead letter, then acknowledges it', async (_words, reasonCode) => {
    await using site = await ScriptedSite.open({
      remoteTerms: { version: 5 },
      remoteScript: silentOnPublish,
      localScript: silentOnPublish,
    });
    const { local, remote } = await site.up();
    local.publish({ packetId: 9, topic: 'out/x', payload: text('poison') });
    await waitFor(() => remote.messages.length === 1);
    remote.acknowledge(remote.publishes[0]?.packetId ?? 0, reasonCode);
    await waitFor(() => local.publishes.length === 1);
    expect(local.publishes).toMatchObject([{ topic: 'dead/out/x', payload: text('poison'), qos: 1 }]);
    expect(local.acknowledged).toEqual([]);
    local.acknowledge(local.publishes[0]?.packetId ?? 0);
    await waitFor(() => local.acknowledged.length === 1);
    expect(site.notices).toMatchObject([{ kind: 'message-dropped', reason: 'refused', topic: 'out/x', reasonCode }]);
    expect(site.bridge.figures.rules[0]?.dropped.refused).toBe(1);
  });

  it.each([
    ['quota exceeded', 0x97],
    ['implementation specific error', 0x83],
  ])('connects again and gets a message again that is refused as "%s"', async (_words, reasonCode) => {
    await using site = await ScriptedSite.open({
      remoteTerms: { version: 5 },
      remoteScript: silentOnPublish,
    });
    const { local, remote } = await site.up();
    local.publish({ packetId: 9 });
    await waitFor(() => remote.messages.length === 1);
    remote.acknowledge(remote.publishes[0]?.packetId ?? 0, reasonCode);
    const again = await site.local.link(1);
    expect(local.acknowledged).toEqual([]);
    expect(local.packets.some(({ type }) => type === 'disconnect')).toBe(false);
    await waitFor(() => again.filters.length > 0);
    again.publish({ packetId: 9, isDuplicate: true });
    const link = await site.remote.link(1);
    await waitFor(() => link.messages.length === 1);
    expect(site.bridge.figures.rules[0]).toMatchObject({ redelivered: 1, acknowledged: 0 });
  });

  it('does not acknowledge a message whose dead letter the local broker refuses', async () => {
    await using site = await ScriptedSite.open({
      localTerms: { version: 5 },
      remoteTerms: { version: 5 },
      remoteScript: silentOnPublish,
      localScript: silentOnPublish,
    });
    const { local, remote } = await site.up();
    local.publish({ packetId: 9 });
    await waitFor(() => remote.messages.length === 1);
    remote.acknowledge(remote.publishes[0]?.packetId ?? 0, 0x87);
    await waitFor(() => local.publishes.length === 1);
    local.acknowledge(local.publishes[0]?.packetId ?? 0, 0x87);
    await waitFor(() => local.isOver && remote.isOver);
    expect(local.acknowledged).toEqual([]);
  });

  it('drops QoS 0 when too much waits, counts it, and keeps QoS 1', async () => {
    await using site = await ScriptedSite.open({
      // Both sides wait, and only one of them is not read, so more comes from the other.
      localScript: silentOnPublish,
      remoteScript: silentOnPublish,
      limits: { windowMessages: 2, heldBytes: 300 },
    });
    const { local, remote } = await site.up();
    const payload = Buffer.alloc(100);
    for (let packetId = 1; packetId <= 8; packetId += 1) local.publish({ packetId, payload });
    await waitFor(() => site.bridge.figures.directions.outbound.held > 2);
    for (let packetId = 1; packetId <= 8; packetId += 1) remote.publish({ topic: 'down/x', packetId, payload });
    remote.publish({ topic: 'down/x', qos: 0, payload });
    await waitFor(() => site.bridge.figures.rules.some(({ dropped }) => dropped.congested === 1));
    expect(site.bridge.figures.directions.inbound).toMatchObject({ inFlight: 2, held: 6 });
  });
});

describe('the bridge and the properties of MQTT 5', () => {
  const properties = {
    payloadFormatIndicator: true,
    messageExpiryInterval: 60,
    contentType: 'text/plain',
    responseTopic: 'answer/here',
    correlationData: text('id'),
    userProperties: [
      ['name', 'value'],
      ['name', 'again'],
    ],
  } as const;

  it('passes them on, without the subscription identifiers', async () => {
    await using site = await ScriptedSite.open({ localTerms: { version: 5 }, remoteTerms: { version: 5 } });
    const { local, remote } = await site.up();
    local.publish({ properties: { ...properties, subscriptionIdentifiers: [4] }, retain: true });
    await waitFor(() => remote.publishes.length === 1);
    expect(remote.publishes).toMatchObject([{ properties, retain: true, payload: text('text') }]);
    expect(remote.publishes[0]?.properties).toEqual(properties);
  });

  it('leaves all of them out for a broker of MQTT 3.1.1', async () => {
    await using site = await ScriptedSite.open({ localTerms: { version: 5 } });
    const { local, remote } = await site.up();
    local.publish({ properties });
    await waitFor(() => remote.publishes.length === 1);
    expect(remote.publishes).toMatchObject([{ payload: text('text'), properties: undefined }]);
  });

  it('forwards from MQTT 3.1.1 to MQTT 5', async () => {
    await using site = await ScriptedSite.open({ remoteTerms: { version: 5 } });
    const { local, remote } = await site.up();
    local.publish({});
    await waitFor(() => remote.publishes.length === 1);
    expect(remote.publishes).toMatchObject([{ payload: text('text'), properties: undefined }]);
  });

  it.each([
    ['retained messages', { retainAvailable: false }, { retain: false, qos: 1 }],
    ['QoS 1', { maximumQoS: 0 }, { retain: true, qos: 0 }],
  ])('respects that a broker takes no %s', async (_what, announced, expected) => {
    await using site = await ScriptedSite.open({
      remoteTerms: { version: 5 },
      remoteScript: { connack: { properties: announced } },
    });
    const { local, remote } = await site.up();
    local.publish({ retain: true, packetId: 3 });
    await waitFor(() => local.acknowledged.length === 1);
    await waitFor(() => remote.publishes.length === 1);
    expect(remote.publishes).toMatchObject([expected]);
  });

  it('says that it can promise nothing where a broker takes no QoS 1', async () => {
    const connack = { properties: { maximumQoS: 0 } };
    await using site = await ScriptedSite.open({ remoteTerms: { version: 5 }, remoteScript: { connack } });
    await site.up();
    expect(site.notices).toEqual([{ kind: 'delivery-not-promised', side: 'remote' }]);
  });
});

describe('the bridge and rules in both directions', () => {
  it('recognises the echo of a message, once for each message', async () => {
    await using site = await ScriptedSite.open();
    const { local, remote } = await site.up();
    local.publish({ topic: 'both/x', packetId: 1 });
    await waitFor(() => local.acknowledged.length === 1);
    remote.publish({ topic: 'both/x', packetId: 1 });
    remote.publish({ topic: 'both/x', packetId: 2 });
    await waitFor(() => remote.acknowledged.length === 2);
    expect(local.messages).toEqual(['both/x text']);
    expect(site.bridge.figures.rules).toContainEqual(
      expect.objectContaining({ direction: 'inbound', forwarded: 1, dropped: expect.objectContaining({ echo: 1 }) }),
    );
  });

  it('forwards another message on the same topic', async () => {
    await using site = await ScriptedSite.open();
    const { local, remote } = await site.up();
    local.publish({ topic: 'both/x', packetId: 1 });
    await waitFor(() => local.acknowledged.length === 1);
    remote.publish({ topic: 'both/x', packetId: 1, payload: text('another') });
    await waitFor(() => local.messages.length === 1);
    expect(local.messages).toEqual(['both/x another']);
  });

  it('asks a broker of MQTT 5 for no echo, and expects none', async () => {
    await using site = await ScriptedSite.open({ remoteTerms: { version: 5 } });
    const { local, remote } = await site.up();
    const subscriptions = remote.packets.flatMap((packet) => (packet.type === 'subscribe' ? packet.subscriptions : []));
    expect(subscriptions).toMatchObject([{ noLocal: true }, { noLocal: true }]);
    local.publish({ topic: 'both/x', packetId: 1 });
    await waitFor(() => local.acknowledged.length === 1);
    remote.publish({ topic: 'both/x', packetId: 1 });
    await waitFor(() => local.messages.length === 1);
  });
});
