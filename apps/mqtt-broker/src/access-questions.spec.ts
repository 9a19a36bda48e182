import { deviceId, MqttAccess, type MqttAccessRule, type PeerKind, type ProvenPeer } from '@sallyport/protocol';
import { publishPacket, type RawMqtt, waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AccessSite, embeddedSite, mosquittoAlone, mosquittoBehindDoor } from './access-site.fixture.js';

const siteRules: readonly MqttAccessRule[] = [
  { roles: ['device'], names: [], publish: ['plant/{id}/up'], subscribe: ['plant/all/#'], purpose: 'a test' },
  { roles: [], names: ['press-7'], publish: ['line/+/speed'], subscribe: [], purpose: 'a test' },
];
const access = new MqttAccess({ gatewayId: 'gw-1', siteRules });

function peer(name: string, kind: PeerKind = 'device'): ProvenPeer {
  return { deviceId: deviceId.parse(name), kind };
}

/** Parties, each with a topic it may use for sure. */
const parties = {
  child: { peer: peer('child01'), mark: 'te/device/child01/mark' },
  'press-7': { peer: peer('press-7'), mark: 'te/device/press-7/mark' },
  'a%u%c': { peer: peer('a%u%c'), mark: 'te/device/a%u%c/mark' },
  'device "main"': { peer: peer('main'), mark: 'plant/all/mark' },
  gateway: { peer: peer('local-client', 'service'), mark: 'te/mark' },
  'gw-1': { peer: peer('gw-1'), mark: 'te/mark' },
  registry: { peer: peer('device-registry', 'service'), mark: 'te/mark' },
  agent: { peer: peer('agent', 'service'), mark: 'te/device/main/service/sallyport-agent/mark' },
  operator: { peer: peer('operator', 'admin'), mark: 'te/mark' },
  anonymous: { peer: undefined, mark: 'mark' },
} as const;

type Way = 'publish' | 'retain' | 'wipe' | 'will' | 'receive' | 'find retained';
type Question = readonly [party: keyof typeof parties, way: Way, topic: string, filter: string, allowed: boolean];

/** The same questions to each broker. `filter` is what the party subscribes to, where it subscribes. */
const questions: readonly Question[] = [
  ['child', 'publish', 'te/device/child01///m/temp', '', true],
  ['child', 'publish', 'te/device/child01', '', true],
  ['child', 'publish', 'te/device/child02///m/temp', '', false],
  ['child', 'publish', 'te/device/child011///m/temp', '', false],
  ['child', 'publish', 'te/device/main///cmd/restart/1', '', false],
  ['child', 'publish', 'sallyport/v1/rpc/device-registry/admit-peer', '', false],
  ['child', 'publish', 'c8y/s/us', '', false],
  ['child', 'retain', 'te/device/child01///twin/name', '', true],
  ['child', 'wipe', 'te/device/child01///twin/type', '', true],
  ['child', 'wipe', 'te/device/child02///twin/type', '', false],
  ['child', 'wipe', 'te/device/child02//', '', false],
  ['child', 'will', 'te/device/child01/service/tedge-agent/status/health', '', true],
  ['child', 'will', 'te/device/child02/service/tedge-agent/status/health', '', false],
  ['child', 'receive', 'te/device/child01///cmd/restart/1', 'te/device/child01///cmd/+/+', true],
  ['child', 'receive', 'te/device/child01///cmd/restart/1', '#', true],
  ['child', 'receive', 'te/device/child02///cmd/restart/1', '#', false],
  ['child', 'receive', 'te/device/child02///cmd/restart/1', 'te/+/+/+/+/cmd/+/+', false],
  ['child', 'receive', 'sallyport/v1/event/device-changed', '#', false],
  ['child', 'find retained', 'te/device/child02///twin/secret', '#', false],
  ['child', 'find retained', 'te/device/child01///twin/own', '#', true],
  ['child', 'publish', 'plant/child01/up', '', true],
  ['child', 'publish', 'plant/child02/up', '', false],
  ['child', 'receive', 'plant/all/news', 'plant/#', true],
  ['press-7', 'publish', 'line/4/speed', '', true],
  ['child', 'publish', 'line/4/speed', '', false],
  ['a%u%c', 'publish', 'te/device/a%u%c/x', '', true],
  ['a%u%c', 'publish', 'te/device/aa%u%c/x', '', false],
  ['device "main"', 'publish', 'te/device/main///cmd/restart/1', '', false],
  ['gateway', 'publish', 'te/device/child02///cmd/restart/1', '', true],
  ['gateway', 'wipe', 'te/device/child03//', '', true],
  ['gateway', 'receive', 'te/device/child02///m/temp', 'te/+/+/+/+/m/+', true],
  ['gateway', 'publish', 'c8y/s/us', '', true],
  ['gateway', 'publish', 'sallyport/v1/event/device-changed', '', false],
  ['gateway', 'receive', 'sallyport/v1/rpc/device-registry/admit-peer', '#', false],
  ['gw-1', 'publish', 'te/device/main/service/tedge-agent/status/health', '', true],
  ['registry', 'publish', 'sallyport/v1/event/device-changed', '', true],
  ['registry', 'publish', 'sallyport/v1/event/certificate-issued', '', false],
  ['registry', 'receive', 'sallyport/v1/rpc/device-registry/admit-peer', 'sallyport/v1/rpc/device-registry/#', true],
  ['agent', 'publish', 'sallyport/v1/rpc/device-registry/admit-peer', '', true],
  ['agent', 'publish', 'sallyport/v1/event/device-changed', '', false],
  ['agent', 'receive', 'sallyport/v1/event/device-changed', 'sallyport/v1/event/+', true],
  ['agent', 'receive', 'sallyport/v1/rpc/pki-signer/read-trust-bundle', 'sallyport/v1/#', false],
  ['agent', 'will', 'te/device/main/service/sallyport-agent/status/health', '', true],
  ['operator', 'receive', 'sallyport/v1/dead-letter/agent/1', 'sallyport/v1/dead-letter/#', true],
  ['operator', 'publish', 'sallyport/v1/rpc/device-registry/admit-peer', '', false],
  ['anonymous', 'publish', 'te/device/child01///cmd/restart/1', '', true],
  ['anonymous', 'receive', 'anything/at/all', '#', true],
  ['anonymous', 'publish', 'sallyport/v1/event/device-changed', '', false],
  ['anonymous', 'receive', 'sallyport/v1/event/device-changed', '#', false],
  ['anonymous', 'will', 'sallyport/v1/event/device-changed', '', false],
];

const payload = Buffer.from('x');
const nothing = Buffer.alloc(0);

/** Topics of the messages a client gets, in order. */
function heard(client: RawMqtt): string[] {
  const topics: string[] = [];
  client.onMessage = ({ topic }) => void topics.push(topic);
  return topics;
}

interface Sending {
  readonly isRetained?: boolean;
  readonly bytes?: Uint8Array;
}

function send(client: RawMqtt, topic: string, { isRetained = false, bytes = payload }: Sending = {}): Promise<void> {
  const acknowledged = new Promise<void>((resolve) => {
    client.onAcknowledged = () => resolve();
  });
  client.write([publishPacket({ topic, payload: bytes, packetId: 7, isRetained })]);
  // A broker answers a publication that is not allowed with a PUBACK, or it ends the connection.
  return Promise.race([acknowledged, client.ended.then(() => undefined)]);
}

/** Whether the message of `act` comes to somebody who hears everything. A mark that is sent later shows that it did not. */
async function arrives(site: AccessSite, topic: string, act: () => Promise<void>): Promise<boolean> {
  await using observer = await site.observe();
  const topics = heard(observer);
  for (const filter of [topic, 'observed/mark']) await observer.subscribe(filter, 1);
  await act();
  await using marker = await site.observe();
  await send(marker, 'observed/mark');
  await waitFor(() => topics.includes('observed/mark'));
  return topics.includes(topic);
}

async function isRetained(site: AccessSite, topic: string): Promise<boolean> {
  return arrives(site, topic, async () => undefined);
}

let clients = 0;

/** Client ids of thin-edge.io hold "#" and "/". A Mosquitto without door gives them no rights from patterns. */
async function ask(site: AccessSite, [party, way, topic, filter]: Question, idMark: string): Promise<boolean> {
  const { peer: who, mark } = parties[party];
  const connect = (will?: { topic: string; payload: string }) =>
    site.connect(who, {
      clientId: `tedge${idMark}${clients++}`,
      keepAliveSeconds: 60,
      ...(will === undefined ? {} : { will }),
    });
  const publishes = async (options: Sending): Promise<void> => {
    await using client = await connect();
    await send(client, topic, options);
  };
  switch (way) {
    case 'publish':
      return arrives(site, topic, () => publishes({}));
    case 'retain':
      await publishes({ isRetained: true });
      return isRetained(site, topic);
    case 'wipe':
      await keep(site, topic);
      await publishes({ isRetained: true, bytes: nothing });
      return !(await isRetained(site, topic));
    case 'will':
      return arrives(site, topic, async () => {
        for (const at of [topic, mark])
          await dieWith(() => connect({ topic: at, payload: 'x' }), site, at === mark ? mark : undefined);
      });
    case 'find retained':
      await keep(site, topic);
      return receives(connect, site, { topic, filter, mark, isSent: false });
    case 'receive':
      return receives(connect, site, { topic, filter, mark, isSent: true });
    default:
      return way satisfies never;
  }
}

async function keep(site: AccessSite, topic: string): Promise<void> {
  await using observer = await site.observe();
  await send(observer, topic, { isRetained: true });
}

/** Connects, and is cut off. With a topic, waits for the will there: all wills before it have been published too. */
async function dieWith(connect: () => Promise<RawMqtt>, site: AccessSite, awaited: string | undefined): Promise<void> {
  await using observer = await site.observe();
  const topics = heard(observer);
  if (awaited !== undefined) await observer.subscribe(awaited, 1);
  // A broker may refuse the CONNECT for its will.
  const client = await connect().catch(() => undefined);
  client?.cut();
  await client?.ended;
  if (awaited !== undefined) await waitFor(() => topics.includes(awaited));
}

interface Reception {
  readonly topic: string;
  readonly filter: string;
  readonly mark: string;
  readonly isSent: boolean;
}

async function receives(connect: () => Promise<RawMqtt>, site: AccessSite, { topic, filter, mark, isSent }: Reception) {
  await using client = await connect();
  const topics = heard(client);
  // The filter may be granted or refused. What counts is what is delivered.
  for (const each of [filter, mark]) await client.subscribe(each, 1);
  await using observer = await site.observe();
  if (isSent) await send(observer, topic);
  await send(observer, mark);
  await waitFor(() => topics.includes(mark));
  return topics.includes(topic);
}

describe.each([
  ['the embedded broker', embeddedSite, '#/', undefined],
  ['Mosquitto behind the door', mosquittoBehindDoor, '#/', undefined],
  ['Mosquitto without door', mosquittoAlone, '-', 'anonymous'],
] as const)('%s', (_name, open, idMark, unknown) => {
  let site: AccessSite;
  beforeAll(async () => {
    site = await open(access);
  });
  afterAll(() => site[Symbol.asyncDispose]());

  it.each(questions.filter(([party]) => party !== unknown))(
    'answers whether %s may %s %s (%s): %s',
    async (...question) => {
      expect(await ask(site, question, idMark)).toBe(question[4]);
    },
  );
});
