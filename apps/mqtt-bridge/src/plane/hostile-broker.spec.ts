import { encodePacket } from '@sallyport/mqtt-wire';
import { waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { type BrokerLink, type Script, ScriptedSite, silentOnPublish } from './scripted-broker.fixture.js';

const bytes = (hex: string) => Buffer.from(hex, 'hex');

/** Answers CONNECT with these bytes. */
const answers = (answer: Buffer): Script => ({
  take: (packet, { socket }) => packet.type === 'connect' && socket.write(answer) !== undefined,
});

const failureOf = (site: ScriptedSite): string =>
  site.states.map(({ remote }) => remote.failure).find((failure) => failure !== undefined) ?? '';

describe('a broker that does not answer CONNECT as a broker does', () => {
  it.each([
    ['text', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), /UNSUBSCRIBE|must not|flags/],
    ['noise', bytes('ffffffffffffffff'), /./],
    ['SUBACK', bytes('9003000100'), /SUBACK came before CONNACK/],
    ['PUBLISH', bytes('3003000161'), /PUBLISH came before CONNACK/],
    ['a CONNACK that claims 256 MB', bytes('20ffffff7f'), /larger than the limit/],
    ['a kept session where a clean one was asked for', bytes('20020100'), /a clean one was asked for/],
    ['a refusal', bytes('20020005'), /The broker refused CONNECT: not authorized \(5\)\./],
    ['an unknown refusal', bytes('20020077'), /refused CONNECT/],
  ])('is left, and the bridge says why: %s', async (_what, answer, reason) => {
    await using site = await ScriptedSite.open({ remoteScript: answers(answer), remoteTerms: { isClean: true } });
    await waitFor(() => failureOf(site) !== '');
    expect(failureOf(site)).toMatch(reason);
    // It tries again.
    await site.remote.link(1);
  });

  it('is left after the deadline when it says nothing', async () => {
    await using site = await ScriptedSite.open({
      remoteScript: { take: () => true },
      limits: { connackDeadlineMs: 50 },
    });
    await waitFor(() => failureOf(site) !== '');
    expect(failureOf(site)).toBe('The broker did not answer CONNECT within 0.05 s.');
  });

  it('is left when it ends the connection', async () => {
    const remoteScript: Script = { take: (_packet, { socket }) => socket.end() !== undefined };
    await using site = await ScriptedSite.open({ remoteScript });
    await waitFor(() => failureOf(site) !== '');
    expect(failureOf(site)).toBe('The broker closed the connection.');
  });
});

describe('a connected broker that breaks the protocol', () => {
  const publish = (topic: string, packetId: number) =>
    encodePacket(
      {
        type: 'publish',
        topic,
        payload: Buffer.from('x'),
        qos: 1,
        retain: false,
        isDuplicate: false,
        packetId,
        properties: undefined,
      },
      4,
    );

  it.each<[string, Buffer]>([
    ['noise', bytes('00112233445566')],
    ['a second CONNACK', bytes('20020000')],
    ['CONNECT', bytes('100c00044d5154540402003c0000')],
    ['a packet that claims 256 MB', bytes('30ffffff7f')],
    ['PUBLISH with QoS 3', bytes('36050001610001')],
    ['a topic with a wildcard', bytes('3003000123')],
    ['an empty topic', bytes('30020000')],
    ['a topic that is no UTF-8', bytes('30030001ff')],
    ['PUBACK of a message that was not sent', bytes('40020001')],
    ['PUBACK of identifier 0', bytes('40020000')],
    ['PUBACK of a request that was not sent', bytes('4002ffff')],
    ['PUBACK that is cut', bytes('400100')],
    ['SUBACK that nobody asked for', bytes('9003ffff00')],
    ['PUBREC', bytes('50020001')],
    ['one identifier twice', Buffer.concat([publish('down/a', 5), publish('down/b', 5)])],
  ])('is left, and the next connection works: %s', async (_what, sent) => {
    await using site = await ScriptedSite.open({ localScript: silentOnPublish });
    const { remote } = await site.up();
    remote.socket.write(sent);
    await waitFor(() => remote.isOver);
    await waitFor(() => site.bridge.state.status === 'up' && site.remote.links.length > 1);
    expect(failureOf(site)).not.toBe('');
  });

  it('is not left when it speaks MQTT 3.1.1 and sends again what has waited long for PUBACK', async () => {
    await using site = await ScriptedSite.open({ localScript: silentOnPublish });
    const { local, remote } = await site.up();
    remote.publish({ topic: 'down/a', packetId: 5 });
    await waitFor(() => local.messages.length === 1);
    remote.publish({ topic: 'down/a', packetId: 5, isDuplicate: true });
    remote.publish({ topic: 'down/b', packetId: 6 });
    await waitFor(() => local.messages.length === 2);
    expect(local.messages).toEqual(['in/a text', 'in/b text']);
    for (const { packetId } of local.publishes) local.acknowledge(packetId);
    await waitFor(() => remote.acknowledged.length === 2);
    expect(remote.acknowledged).toEqual([5, 6]);
  });

  it('is left when it speaks MQTT 5 and sends again what is not acknowledged', async () => {
    await using site = await ScriptedSite.open({ localScript: silentOnPublish, remoteTerms: { version: 5 } });
    const { remote } = await site.up();
    for (const isDuplicate of [false, true]) remote.publish({ topic: 'down/a', packetId: 5, isDuplicate });
    await waitFor(() => remote.isOver);
  });

  it('is left when it acknowledges a message twice', async () => {
    await using site = await ScriptedSite.open({ remoteScript: silentOnPublish });
    const { local, remote } = await site.up();
    local.publish({ packetId: 1 });
    await waitFor(() => remote.messages.length === 1);
    const packetId = remote.publishes[0]?.packetId ?? 0;
    remote.acknowledge(packetId);
    remote.acknowledge(packetId);
    await waitFor(() => remote.isOver);
  });

  it.each([['a topic alias, which none was allowed', { topicAlias: 1 }]])(
    'of MQTT 5 is left for %s',
    async (_what, properties) => {
      await using site = await ScriptedSite.open({ remoteTerms: { version: 5 } });
      const { remote } = await site.up();
      remote.publish({ topic: 'down/a', properties });
      await waitFor(() => remote.isOver);
      expect(failureOf(site)).toMatch(/topic alias/);
    },
  );

  it('of MQTT 5 is left with its reason when it says DISCONNECT', async () => {
    await using site = await ScriptedSite.open({ remoteTerms: { version: 5 } });
    const { remote } = await site.up();
    remote.send({ type: 'disconnect', reasonCode: 0x8e, properties: undefined });
    await waitFor(() => failureOf(site) !== '');
    expect(failureOf(site)).toBe('The broker ended the connection: session taken over (0x8e).');
  });
});

describe('a broker whose message was held and is not valid', () => {
  it('is left itself, not the broker that made room for the message', async () => {
    await using site = await ScriptedSite.open({ localScript: silentOnPublish, limits: { windowMessages: 1 } });
    const { local, remote } = await site.up();
    remote.publish({ topic: 'down/a', packetId: 1 });
    await waitFor(() => local.messages.length === 1);
    remote.publish({ topic: 'down/b', packetId: 2 });
    remote.socket.write(bytes('3003000123'));
    await waitFor(() => site.bridge.figures.directions.inbound.held === 2);
    local.acknowledge(local.publishes[0]?.packetId ?? 0);
    await waitFor(() => failureOf(site) !== '');
    expect(failureOf(site)).toBe('the topic of PUBLISH has a wildcard');
    expect(site.states.every(({ local: { failure } }) => failure === undefined)).toBe(true);
  });
});

describe('a broker that acknowledges nothing and floods', () => {
  it('is left when its messages take too much memory', async () => {
    await using site = await ScriptedSite.open({
      remoteScript: silentOnPublish,
      limits: { windowMessages: 2, heldBytes: 1_000, mostHeldBytes: 20_000 },
    });
    const { local, remote } = await site.up();
    const payload = Buffer.alloc(500);
    // The local broker is left unread, so it is the turn of the remote one to be read.
    for (let packetId = 1; packetId <= 5; packetId += 1) local.publish({ packetId, payload });
    await waitFor(() => site.bridge.figures.directions.outbound.heldBytes >= 1_000);
    for (let packetId = 1; packetId <= 100; packetId += 1) remote.publish({ topic: 'down/x', packetId, payload });
    await waitFor(() => remote.isOver);
    await waitFor(() => failureOf(site) !== '');
    expect(failureOf(site)).toBe('More than 20000 bytes of the broker wait for the other side.');
    expect(remote.acknowledged).toEqual([]);
  });
});

describe('a broker and the subscriptions of the bridge', () => {
  const grants = (reasonCodes: (filters: number) => number[]): Script => ({
    take: (packet, link: BrokerLink) => {
      if (packet.type !== 'subscribe') return false;
      const codes = reasonCodes(packet.subscriptions.length);
      link.send({ type: 'suback', packetId: packet.packetId, reasonCodes: codes, properties: undefined });
      return true;
    },
  });

  it('holds messages back until the destination has confirmed the subscriptions there', async () => {
    await using site = await ScriptedSite.open({ remoteScript: { take: ({ type }) => type === 'subscribe' } });
    const local = await site.local.link(0);
    await waitFor(() => local.filters.length > 0);
    local.publish({ packetId: 1 });
    await waitFor(() => site.bridge.figures.directions.outbound.held === 1);
    const remote = await site.remote.link(0);
    expect(remote.messages).toEqual([]);
    for (const packet of remote.packets)
      if (packet.type === 'subscribe')
        remote.send({ type: 'suback', packetId: packet.packetId, reasonCodes: [1, 1], properties: undefined });
    await waitFor(() => local.acknowledged.length === 1);
    expect(remote.messages).toEqual(['up/a text']);
  });

  it('forwards at once to a broker that has kept the session', async () => {
    await using site = await ScriptedSite.open({
      remoteScript: { connack: { sessionPresent: true }, take: ({ type }) => type === 'subscribe' },
    });
    const local = await site.local.link(0);
    await waitFor(() => local.filters.length > 0);
    local.publish({ packetId: 1 });
    await waitFor(() => local.acknowledged.length === 1);
  });

  it('asks again after the deadline, three times, then forwards and says so', async () => {
    await using site = await ScriptedSite.open({
      remoteScript: { take: ({ type }) => type === 'subscribe' },
      limits: { subscribeDeadlineMs: 50 },
    });
    const { remote } = await site.up();
    expect(remote.packets.filter(({ type }) => type === 'subscribe')).toHaveLength(3);
    expect(site.notices).toEqual([{ kind: 'subscription-unconfirmed', side: 'remote', filters: ['down/#', 'both/#'] }]);
  });

  it('forwards although a filter is refused, and says which', async () => {
    await using site = await ScriptedSite.open({ remoteScript: grants(() => [0x80, 1]) });
    const { local } = await site.up();
    local.publish({ packetId: 1 });
    await waitFor(() => local.acknowledged.length === 1);
    expect(site.notices).toEqual([
      { kind: 'subscription-refused', side: 'remote', filter: 'down/#', reasonCode: 0x80 },
    ]);
  });

  it('says that it can promise nothing for a filter that is granted at QoS 0', async () => {
    await using site = await ScriptedSite.open({ remoteScript: grants(() => [1, 0]) });
    await site.up();
    expect(site.notices).toEqual([{ kind: 'delivery-not-promised', side: 'remote', filter: 'both/#' }]);
  });

  it('leaves a broker whose SUBACK has too few reason codes', async () => {
    await using site = await ScriptedSite.open({ remoteScript: grants((filters) => Array(filters - 1).fill(1)) });
    const remote = await site.remote.link(0);
    await waitFor(() => remote.isOver);
    await waitFor(() => failureOf(site) !== '');
    expect(failureOf(site)).toBe('1 reason codes came for 2 requests');
  });
});
