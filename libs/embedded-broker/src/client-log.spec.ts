import { deviceId } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import type { BrokerLimits } from './limits.js';
import { ManualClient, type ManualClientOptions } from './manual-client.fixture.js';
import { TestBroker } from './testing.js';

const longTopic = `te/device/evil/${'x'.repeat(60_000)}`;
const peer = { deviceId: deviceId.parse('evil'), kind: 'device' } as const;
const will = { topic: longTopic, payload: Buffer.from('x'), qos: 1, retain: true, properties: undefined } as const;

type Act = (open: (options?: ManualClientOptions) => Promise<ManualClient>) => Promise<void>;

async function logOf(limits: Partial<BrokerLimits>, act: Act): Promise<string[]> {
  const lines: string[] = [];
  const onWarning = (text: string, fields: Readonly<Record<string, unknown>>) =>
    void lines.push(JSON.stringify({ text, ...fields }));
  await using site = await TestBroker.start({ limits, onWarning });
  let opened = 0;
  const open = (options: ManualClientOptions = {}) => {
    opened += 1;
    return ManualClient.open(site.broker, { clientId: `${opened}`, peer, ...options });
  };
  for (let round = 0; round < 5; round += 1) await act(open);
  return lines;
}

const acts: [string, Partial<BrokerLimits>, Act][] = [
  [
    'publishes where it may not',
    {},
    async (open) => {
      const client = await open();
      client.publish(`te/device/good/${longTopic}`, 'x');
      await client.closed();
    },
  ],
  [
    'subscribes where it may not',
    {},
    async (open) => {
      const client = await open();
      expect(await client.subscribe({ [`te/device/good/${longTopic}`]: 1 })).toEqual([0x80]);
      await client.disconnect();
    },
  ],
  [
    'fills its share of retained messages and removes others',
    { retainedMessagesPerIdentity: 0 },
    async (open) => {
      const client = await open();
      client.publish(longTopic, 'x', { retain: true });
      await client.publishWhole(longTopic, '', { retain: true, qos: 1 });
      await client.disconnect();
    },
  ],
  [
    'leaves wills that have no room',
    { retainedMessagesPerIdentity: 0 },
    async (open) => {
      const client = await open({ will });
      client.sendBytes('0000');
      await client.closed();
    },
  ],
  [
    'sends what is no MQTT under ever new ids',
    {},
    async (open) => {
      const client = await open();
      client.sendBytes('0000');
      await client.closed();
    },
  ],
];

describe('the log', () => {
  it.each(acts)('has a line or two about a device that %s, again and again', async (_what, limits, act) => {
    const lines = await logOf(limits, act);
    expect(lines.length).toBeGreaterThan(0);
    expect(new Set(lines).size).toBe(lines.length);
    expect(lines.length).toBeLessThan(4);
    for (const line of lines) expect(line.length).toBeLessThan(1_000);
  });

  it.each([
    ['a device', { peer }, { deviceId: 'evil' }],
    ['a client without an identity', { peer: undefined }, {}],
  ])('says why %s was refused, and who it is', async (_who, from, named) => {
    const [line = ''] = await logOf({}, async (open) => {
      await open({ ...from, will: { ...will, topic: '$SYS/x' } }).catch(() => undefined);
    });
    const { deviceId: id, ...rest } = JSON.parse(line);
    expect(rest).toMatchObject({ text: 'a client was refused', reason: 'will-not-permitted' });
    expect(id === undefined ? {} : { deviceId: id }).toEqual(named);
  });
});
