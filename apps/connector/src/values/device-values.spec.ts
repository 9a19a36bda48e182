import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectorSettings, defaultConnector, deviceId } from '@sallyport/protocol';
import { openSqliteStore } from '@sallyport/store';
import { TestClock } from '@sallyport/testkit';
import { Twin } from '@sallyport/twin';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DeviceContact, DeviceValues } from './device-values.js';

const pump = deviceId.parse('pump-17');

const schema = connectorSettings.shape.resources.parse({
  temperature: { format: 'number', unit: '°C', settable: false },
  valve: { format: 'string', settable: true, allowed: ['open', 'closed'] },
  speed: { format: 'number', settable: true, allowed: ['0', '9-11', '-5--1'] },
  lamp: { format: 'boolean', settable: true },
});

let twin: Twin;
let values: DeviceValues;
let close: () => Promise<void>;

beforeEach(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-values-'));
  const store = await openSqliteStore({ file: join(directory, 'store.db') });
  twin = new Twin(store, { clock: new TestClock(new Date('2026-03-01T12:00:00Z')) });
  values = new DeviceValues(twin);
  close = async () => {
    twin.close();
    await store.close();
    await rm(directory, { recursive: true });
  };
});
afterEach(() => close());

function contact(resources: DeviceContact['resources']): DeviceContact {
  return { deviceId: pump, connector: defaultConnector, protocol: 'https', address: '192.0.2.7', resources };
}

const texts = async (aliases: string[]) =>
  [...(await values.read(contact({}), aliases)).values()].map(({ alias, value }) => `${alias}=${value}`);

function setting(desired: Record<string, string>, resources: DeviceContact['resources'] = schema) {
  const { connector } = contact(resources);
  return values.desire({
    deviceId: pump,
    connector,
    resources,
    values: new Map(Object.entries(desired)),
    actor: 'admin:alice',
  });
}

describe('values of a device at a connector', () => {
  it('are all kept when the connector has no schema', async () => {
    await values.writeAll(contact({}), new Map([['anything', '1']]));
    expect(await texts(['anything'])).toEqual(['anything=1']);
  });

  it('that the schema does not know are told, and not kept', async () => {
    const sent = new Map([
      ['temperature', '50'],
      ['constructor', 'x'],
    ]);
    await values.writeAll(contact(schema), sent);
    expect(await texts(['temperature', 'constructor'])).toEqual(['temperature=50']);
    const [write] = await twin.writes('pump-17', { limit: 1 });
    expect(write).toMatchObject({
      points: [{ alias: 'temperature' }, { alias: 'constructor' }],
      source: { connector: 'default', protocol: 'https', address: '192.0.2.7' },
    });
  });

  it('are no error when the schema knows none of them', async () => {
    await values.writeAll(contact(schema), new Map([['unknown', '1']]));
    const atMicros = Date.parse('2026-03-01T11:00:00Z') * 1000;
    await values.record(contact(schema), [{ alias: 'unknown', value: '2', atMicros }]);
    expect(await texts(['unknown'])).toEqual([]);
    expect(await twin.history('pump-17')).toEqual([]);
    expect((await twin.writes('pump-17', { limit: 10 })).map(({ kind }) => kind)).toEqual(['recorded', 'reported']);
  });

  it('are kept as the device sent them, also when they break the format: what a device reports is a fact', async () => {
    await values.writeAll(contact(schema), new Map([['temperature', 'sensor broken']]));
    expect(await texts(['temperature'])).toEqual(['temperature=sensor broken']);
  });

  it('are read as they were set, until the device writes them', async () => {
    await setting({ valve: 'open' });
    expect(await texts(['valve'])).toEqual(['valve=open']);
    await values.writeAll(contact(schema), new Map([['valve', 'closed']]));
    expect(await texts(['valve'])).toEqual(['valve=closed']);
  });

  it.each([{ valve: 'open' }, { speed: '0' }, { speed: '10.5' }, { speed: '-3' }, { lamp: 'true' }])(
    'can be set to %j',
    async (desired) => {
      await setting(desired);
      const [alias = '', value] = Object.entries(desired)[0] ?? [];
      expect(await texts([alias])).toEqual([`${alias}=${value}`]);
    },
  );

  it.each([
    [{ temperature: '1' }, 'not settable'],
    [{ unknown: '1' }, 'no resource "unknown"'],
    [{ constructor: '1' }, 'no resource "constructor"'],
    [{ valve: 'half' }, 'Allowed: open, closed'],
    [{ speed: '12' }, 'Allowed: 0, 9-11, -5--1'],
    [{ speed: '0x9' }, 'is no number'],
    [{ speed: '' }, 'is no number'],
    [{ lamp: 'maybe' }, 'is no boolean'],
    [{ valve: 'open', temperature: '1' }, 'not settable'],
  ])('cannot be set to %j', async (desired, message) => {
    const refused = setting(Object.fromEntries(Object.entries(desired)));
    await expect(refused).rejects.toMatchObject({ type: 'invalid-request', message: expect.stringContaining(message) });
    expect((await twin.resources('pump-17')).size).toBe(0);
  });

  it('can be set to anything when the connector has no schema', async () => {
    await setting({ valve: 'half' }, {});
    expect(await texts(['valve'])).toEqual(['valve=half']);
  });
});
