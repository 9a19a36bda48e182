import { reasonCodes } from '@sallyport/mqtt-wire';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { EmbeddedBroker } from './embedded-broker.js';
import { ManualClient, messagesOf } from './manual-client.fixture.js';

interface Site {
  readonly broker: EmbeddedBroker;
  /** Reasons in the log why clients were refused or cut. */
  readonly reasons: string[];
  /** Subscribes to everything. */
  readonly neighbour: ManualClient;
}

async function openSite(): Promise<Site> {
  const reasons: string[] = [];
  const onWarning = (_text: string, { reason, detail = reason }: Readonly<Record<string, unknown>>) =>
    void reasons.push(String(detail));
  const broker = new EmbeddedBroker({ onWarning });
  onTestFinished(() => broker.close());
  const neighbour = await ManualClient.open(broker, { clientId: 'neighbour' });
  await neighbour.request('#', { qos: 2 });
  return { broker, reasons, neighbour };
}

/** Hexadecimal, from the same with spaces and text in quotes. */
function bytes(text: string): string {
  const parts = text.match(/'[^']*'|[0-9a-f]{2}/g) ?? [];
  return parts.map((part) => (part.startsWith("'") ? Buffer.from(part.slice(1, -1)).toString('hex') : part)).join('');
}

/** The neighbour is served as before, and has got nothing of what was tried. */
async function expectUnharmed({ broker, neighbour }: Site): Promise<void> {
  const good = await ManualClient.open(broker, { clientId: 'good' });
  await good.publishWhole('good', 'x', { qos: 1 });
  expect(messagesOf(await neighbour.soFar())).toEqual(['good x']);
  const late = await ManualClient.open(broker, { clientId: 'late' });
  await late.request('#');
  expect(await late.soFar()).toEqual([]);
}

describe('before its CONNECT, a client is ended without an answer when it sends', () => {
  it.each([
    ['PUBLISH', "30 04 00 01 'a' 78", 'PUBLISH came before CONNECT'],
    ['PINGREQ', 'c0 00', 'PINGREQ came before CONNECT'],
    ['DISCONNECT', 'e0 00', 'DISCONNECT came before CONNECT'],
    ['PUBREL', '62 02 00 01', 'PUBREL came before CONNECT'],
    ['a packet that only a server sends', '20 02 00 00', 'a client must not send CONNACK'],
    ['the reserved type 0', '00 00', 'packet type 0 is not defined'],
    ['a TLS client hello', '16 03 01 02 00 01 00', 'the reserved flags'],
    ['an HTTP request', "'GET / HTTP/1.1'", 'the reserved flags'],
    ['a CONNECT of 256 MB', '10 ff ff ff 7f', 'CONNECT of 268435460 bytes is larger than the limit'],
    ['a CONNECT with a length of five bytes', '10 ff ff ff ff 01', 'more than four bytes'],
    [
      'a CONNECT with a will topic that has a wildcard',
      "10 13 00 04 'MQTT' 04 06 00 00 00 01 'c' 00 02 'w#' 00 00",
      'a wildcard',
    ],
    [
      'a CONNECT with a will topic that has U+0000',
      "10 13 00 04 'MQTT' 04 06 00 00 00 01 'c' 00 02 'w' 00 00 00",
      'U+0000',
    ],
    [
      'a CONNECT with a client id that is no UTF-8',
      "10 0e 00 04 'MQTT' 04 02 00 00 00 02 c3 28",
      'not well-formed UTF-8',
    ],
    ['a CONNECT with its reserved flag', "10 0d 00 04 'MQTT' 04 03 00 00 00 01 'c'", 'reserved flag'],
    ['another protocol name', "10 0d 00 04 'MQTX' 04 02 00 00 00 01 'c'", 'is not known'],
  ])('%s', async (_what, packet, reason) => {
    const site = await openSite();
    const client = ManualClient.dial(site.broker);
    client.sendBytes(bytes(packet));
    expect(await client.rest()).toEqual([]);
    expect(site.reasons).toEqual([expect.stringContaining(reason)]);
    await expectUnharmed(site);
  });
});

describe('a connected client is ended, and nobody else, when it sends', () => {
  it.each([
    ['a second CONNECT', "10 0d 00 04 'MQTT' 04 02 00 00 00 01 'c'", 'a second CONNECT came'],
    ['PUBLISH to a topic with U+0000', "30 06 00 03 'a' 00 'b' 78", 'U+0000'],
    ['PUBLISH to a topic with +', "30 06 00 03 'a/+' 78", 'a wildcard'],
    ['PUBLISH to a topic with #', "31 04 00 01 '#' 78", 'a wildcard'],
    ['PUBLISH to an empty topic', '30 03 00 00 78', 'empty topic'],
    ['PUBLISH to a topic that is no UTF-8', '31 05 00 02 c3 28 78', 'not well-formed UTF-8'],
    ['PUBLISH to a topic with a control character', "31 05 00 02 'a' 07 78", 'a control character'],
    ['PUBLISH with packet identifier 0', "32 06 00 01 'a' 00 00 78", 'packet identifier 0'],
    ['PUBLISH with QoS 3', "36 06 00 01 'a' 00 01 78", 'QoS 3'],
    ['PUBLISH with QoS 0 and DUP', "38 04 00 01 'a' 78", 'QoS 0 and the DUP flag'],
    ['a PUBLISH of 256 MB', "30 ff ff ff 7f 00 01 'a'", 'larger than the limit'],
    ['a topic of 33 levels', `30 43 00 41 '${'/a'.repeat(32)}/'`, 'too many levels'],
    ['PUBACK with packet identifier 0', '40 02 00 00', 'packet identifier 0'],
    ['PUBREL without its flags', '60 02 00 01', 'the reserved flags'],
    ['SUBSCRIBE to a+', "82 07 00 01 00 02 'a+' 00", 'invalid filter "a+"'],
    ['SUBSCRIBE to a#', "82 07 00 01 00 02 'a#' 00", 'invalid filter "a#"'],
    ['SUBSCRIBE to a filter with U+0000', "82 08 00 01 00 03 'a' 00 'b' 00", 'U+0000'],
    ['SUBSCRIBE with packet identifier 0', "82 06 00 00 00 01 'a' 00", 'packet identifier 0'],
    ['SUBSCRIBE without a filter', '82 02 00 01', 'has no filter'],
    ['SUBSCRIBE with QoS 3', "82 06 00 01 00 01 'a' 03", 'QoS 3'],
    ['SUBSCRIBE with 20,001 filters', `82 86 f1 04 00 01 ${"00 01 'a' 00".repeat(20_001)}`, 'more than 20000 filters'],
    ['UNSUBSCRIBE with 20,001 filters', `a2 e5 d4 03 00 01 ${"00 01 'a'".repeat(20_001)}`, 'more than 20000 filters'],
    ['UNSUBSCRIBE without a filter', 'a2 02 00 01', 'has no filter'],
    ['UNSUBSCRIBE from a#', "a2 06 00 01 00 02 'a#'", 'invalid filter "a#"'],
    ['PINGREQ with a body', 'c0 01 00', 'behind its last field'],
    ['AUTH, which only MQTT 5 has', 'f0 00', 'packet type 15 is not defined'],
    ['PINGRESP, which only a server sends', 'd0 00', 'a client must not send PINGRESP'],
  ])('%s', async (_what, packet, reason) => {
    const site = await openSite();
    const client = await ManualClient.open(site.broker, { clientId: 'hostile' });
    client.sendBytes(bytes(packet));
    expect(await client.rest()).toEqual([]);
    expect(site.reasons).toEqual([expect.stringContaining(reason)]);
    await expectUnharmed(site);
  });

  it.each([
    ['AUTH without an authentication method', 'f0 00', reasonCodes.protocolError],
    ['a packet larger than the broker takes', '30 ff ff ff 7f', reasonCodes.packetTooLarge],
    ['a topic with a wildcard', "30 07 00 03 'a/+' 00 78", reasonCodes.topicNameInvalid],
    ['an invalid filter', "82 08 00 01 00 00 02 'a#' 00", reasonCodes.topicFilterInvalid],
    ['an unknown property', "30 07 00 01 'a' 02 7f 00 78", reasonCodes.malformedPacket],
    ['a subscription identifier', "30 07 00 01 'a' 02 0b 01 78", reasonCodes.protocolError],
  ])('%s, and is told why in MQTT 5', async (_what, packet, reasonCode) => {
    const site = await openSite();
    const client = await ManualClient.open(site.broker, { version: 5, clientId: 'hostile' });
    client.sendBytes(bytes(packet));
    expect(await client.rest()).toMatchObject([{ type: 'disconnect', reasonCode }]);
    await expectUnharmed(site);
  });
});

describe('acknowledgements that fit nothing', () => {
  it.each([
    ['PUBACK', '40 02 00 07', []],
    ['PUBCOMP', '70 02 00 07', []],
    // [MQTT-4.3.3-2]: whoever sends PUBREL or PUBREC has to be able to end its handshake.
    ['PUBREC', '50 02 00 07', ['pubrel']],
    ['PUBREL', '62 02 00 07', ['pubcomp']],
  ])('of type %s change nothing, and the client stays connected', async (_what, packet, answers) => {
    const site = await openSite();
    const client = await ManualClient.open(site.broker, { clientId: 'odd' });
    client.sendBytes(bytes(packet));
    expect((await client.soFar()).map(({ type }) => type)).toEqual(answers);
    await expectUnharmed(site);
  });

  it('do not end the delivery of another message', async () => {
    const site = await openSite();
    const [receiver, sender] = [
      await ManualClient.open(site.broker, { clientId: 'r', isClean: false }),
      await ManualClient.open(site.broker, { clientId: 's' }),
    ];
    await receiver.request('t', { qos: 1 });
    await sender.publishWhole('t', 'x', { qos: 1 });
    const { packetId } = await receiver.next('publish');
    const wrong = { packetId: packetId + 1, reasonCode: 0, properties: undefined } as const;
    // Wrong identifier, and wrong kind of acknowledgement.
    receiver.send({ type: 'puback', ...wrong }, { type: 'pubcomp', ...wrong, packetId });
    await receiver.soFar();
    await receiver.drop();
    const again = await ManualClient.open(site.broker, { clientId: 'r', isClean: false });
    expect(await again.next('publish')).toMatchObject({ packetId, isDuplicate: true });
  });
});

describe('a publication to a topic of brokers ($...)', () => {
  it.each([3, 4, 5] as const)('reaches nobody and does not end its sender, in version %i', async (version) => {
    const site = await openSite();
    await site.neighbour.request('$a/b', { qos: 2 });
    const client = await ManualClient.open(site.broker, { version, clientId: 'c' });
    const code = version === 5 ? reasonCodes.notAuthorized : 0;
    for (const qos of [0, 1, 2] as const)
      expect(await client.publishWhole('$a/b', 'x', { qos, retain: true })).toBe(qos === 0 ? 0 : code);
    await expectUnharmed(site);
  });
});

describe('a client that says goodbye', () => {
  it('is not heard after its DISCONNECT', async () => {
    const site = await openSite();
    const client = await ManualClient.open(site.broker, { clientId: 'c' });
    client.sendBytes(bytes("e0 00 30 07 00 04 'late' 78"));
    expect(await client.rest()).toEqual([]);
    await expectUnharmed(site);
  });
});

describe('bytes of any size', () => {
  it('are put together when they come one at a time', async () => {
    const site = await openSite();
    const client = ManualClient.dial(site.broker);
    const connect = bytes("10 10 00 04 'MQTT' 04 02 00 00 00 04 'slow'");
    const publish = bytes(`30 cb 01 00 01 't' '${'x'.repeat(200)}'`);
    for (const byte of Buffer.from(connect + publish, 'hex')) client.sendBytes(Buffer.from([byte]).toString('hex'));
    await client.next('connack');
    await client.soFar();
    expect(messagesOf(await site.neighbour.soFar())).toEqual([`t ${'x'.repeat(200)}`]);
  });

  it('take no memory for what a packet claims', async () => {
    const site = await openSite();
    const before = process.memoryUsage().arrayBuffers;
    const clients = await Promise.all(
      Array.from({ length: 500 }, (_, index) => ManualClient.open(site.broker, { clientId: `claims-${index}` })),
    );
    // One byte less than the largest packet.
    for (const client of clients) client.sendBytes(bytes("30 fb ff 3f 00 01 'a'"));
    await expectUnharmed(site);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 1024 * 1024);
  });

  it('that mean nothing end their sender, whatever they are, and nobody else', async () => {
    const site = await openSite();
    const noise = fc.uint8Array({ minLength: 1, maxLength: 100 });
    const run = async (version: 3 | 4 | 5, isConnected: boolean, garbage: Uint8Array) => {
      const options = { version, clientId: 'noise', isClean: true };
      const client = isConnected
        ? await ManualClient.open(site.broker, options)
        : ManualClient.dial(site.broker, options);
      client.sendBytes(Buffer.from(garbage).toString('hex'));
      client.sendBytes('0000');
      await client.drop();
    };
    const property = fc.asyncProperty(fc.constantFrom(3, 4, 5), fc.boolean(), noise, run);
    await fc.assert(property, { seed: 8, numRuns: 1_000 });
    await site.neighbour.soFar();
    const good = await ManualClient.open(site.broker, { clientId: 'good' });
    await good.publishWhole('good', 'x', { qos: 1 });
    expect(messagesOf(await site.neighbour.soFar())).toEqual(['good x']);
  });
});
