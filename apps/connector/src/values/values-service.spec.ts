import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import { Controller } from '@nestjs/common';
import { loadSettings } from '@sallyport/config';
import { TestBroker } from '@sallyport/embedded-broker/testing';
import { connectMqtt, connectRpcClient, publishEvent, RpcHandler } from '@sallyport/mqtt';
import {
  adminSocketPath,
  auditPage,
  type ConnectorDirectory,
  connectorSettings,
  type DeviceEvent,
  defaultConnector,
  describeConnectors,
  deviceDeleted,
  deviceEvent,
  deviceEventRoot,
  deviceId,
  initialConnectorSettings,
  readTimeline,
} from '@sallyport/protocol';
import { openLog, RunningServices, type ServiceDefinition } from '@sallyport/runtime';
import { openSqliteStore } from '@sallyport/store';
import { TestClock, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { Timeline } from '@sallyport/timeline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DeviceContact, DeviceValues } from './device-values.js';
import { valueParts } from './value-parts.js';

const pump = deviceId.parse('pump-17');
const resources = connectorSettings.shape.resources.parse({
  temperature: { format: 'number', settable: false },
  valve: { format: 'string', settable: true },
});
const contact: DeviceContact = {
  deviceId: pump,
  connector: defaultConnector,
  protocol: 'https',
  address: '192.0.2.7',
  resources,
};

/** The values of the connector, without its entrances. */
const values: ServiceDefinition = {
  name: 'connector',
  needs: { store: true, mqtt: true, rpc: true },
  module: () => ({
    module: class Values {},
    controllers: valueParts.controllers,
    providers: [...valueParts.providers, Timeline],
  }),
};

/** Answers as a registry with one connector. */
@Controller()
class Directory {
  @RpcHandler(describeConnectors)
  describe(): ConnectorDirectory {
    const { domains, provisioning, pki } = initialConnectorSettings;
    const settings = { domains, provisioning, pki, resources };
    return { version: 1, connectors: [{ name: defaultConnector, settings, clientCas: [] }] };
  }
}

const registry: ServiceDefinition = {
  name: 'device-registry',
  needs: { mqtt: true, rpc: true },
  module: () => ({ module: class Registry {}, controllers: [Directory] }),
};

let site: Awaited<ReturnType<typeof startSite>>;

async function startSite() {
  const directory = temporaryDirectory();
  const broker = await TestBroker.start();
  const env = { TEDGE_RUN_PATH: directory.file('run') };
  const { settings } = await loadSettings({ configDir: directory.path, env, cwd: directory.path });
  const store = await openSqliteStore({ file: directory.file('store.db') });
  const logged: string[] = [];
  const services = new RunningServices({
    settings,
    readSettings: async () => settings,
    log: openLog({ destination: { write: (line: string) => void logged.push(line) } }),
    clock: new TestClock(new Date('2026-06-01T12:00:00Z')),
    store,
    connectionFor: (service) => broker.connection(service),
  });
  await services.start(registry);
  const host = await services.start(values);
  const mqtt = await connectMqtt(broker.connection('observer'));
  const rpc = await connectRpcClient(broker.connection('asker'));
  const events: DeviceEvent[] = [];
  await mqtt.subscribe(`${deviceEventRoot}/#`, (topic, payload) => {
    expect(topic).toBe(`${deviceEventRoot}/default/pump-17`);
    events.push(deviceEvent.parse(JSON.parse(payload.toString())));
  });
  return {
    device: host.app.get(DeviceValues, { strict: false }),
    socket: adminSocketPath(directory.file('run'), 'connector', process.cwd()),
    rpc,
    logged,
    deleted: (deletedAt: string) => publishEvent(mqtt, deviceDeleted, { deviceId: pump, deletedAt }),
    events,
    stop: async () => {
      await rpc.close();
      await mqtt.close();
      await services.stop();
      await store.close();
      await broker.close();
      await directory.remove();
    },
  };
}

beforeEach(async () => {
  site = await startSite();
});
afterEach(() => site.stop());

function admin(method: string, path: string, body?: unknown): Promise<{ status: number | undefined; body: unknown }> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string> = body === undefined ? {} : { 'Content-Type': 'application/json' };
    const sent = request({ socketPath: site.socket, method, path, headers }, async (response) => {
      const { statusCode: status } = response;
      resolve({ status, body: status === 204 ? undefined : await json(response) });
    });
    sent.once('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const timeline = (limit: number, before?: DeviceEvent['id']) =>
  site.rpc.call(readTimeline('connector'), { deviceId: pump, limit, ...(before === undefined ? {} : { before }) });

describe('values of a device, as others see them', () => {
  it('are events with values, sender and time, once for each write and in their order', async () => {
    await site.device.writeAll(contact, new Map([['temperature', '50']]));
    await site.device.writeAll(contact, new Map([['temperature', '51']]));
    await waitFor(() => site.events.length >= 2, { what: 'both events' });
    expect(site.events).toMatchObject([
      {
        type: 'data_in',
        device: 'pump-17',
        connector: 'default',
        protocol: 'https',
        address: '192.0.2.7',
        at: '2026-06-01T12:00:00.000000Z',
        payload: { values: { temperature: '50' } },
      },
      { type: 'data_in', at: '2026-06-01T12:00:00.000001Z', payload: { values: { temperature: '51' } } },
    ]);
  });

  it('are in the timeline as they were published, page by page', async () => {
    for (const temperature of ['1', '2', '3'])
      await site.device.writeAll(contact, new Map([['temperature', temperature]]));
    await waitFor(() => site.events.length >= 3, { what: 'three events' });
    const first = await timeline(2);
    expect(first.events).toEqual([site.events[2], site.events[1]]);
    const rest = await timeline(2, first.events[1]?.id);
    expect(rest.events).toEqual([site.events[0]]);
    expect(await timeline(2, rest.events[0]?.id)).toEqual({ events: [] });
  });

  it('are in the timeline to the last one, also when one of them fills a page', async () => {
    const large = 'x'.repeat(60_000);
    const several = (count: number) =>
      new Map(Array.from({ length: count }, (_, index) => [`value${index}`, large] as const));
    for (let write = 0; write < 4; write += 1) await site.device.writeAll(contact, several(14));
    const told: DeviceEvent[] = [];
    for (let page = await timeline(2); page.events.length > 0; page = await timeline(2, told.at(-1)?.id))
      told.push(...page.events);
    expect(told).toHaveLength(4);
  });

  it('are told with their own times when they are of the past', async () => {
    const atMicros = Date.parse('2026-06-01T11:00:00Z') * 1000;
    await site.device.record(contact, [{ alias: 'temperature', value: '20', atMicros }]);
    await waitFor(() => site.events.length === 1, { what: 'the event' });
    expect(site.events[0]?.payload).toEqual({
      recorded: [{ at: '2026-06-01T11:00:00.000000Z', values: { temperature: '20' } }],
    });
  });

  it('are set by administrators, and are synced when the device has written them', async () => {
    const set = await admin('PATCH', '/v1/devices/pump-17/values', { values: { valve: 'open' } });
    expect(set).toEqual({ status: 200, body: { at: '2026-06-01T12:00:00.000000Z' } });
    const desired = { value: 'open', at: '2026-06-01T12:00:00.000000Z' };
    const shown = await admin('GET', '/v1/devices/pump-17/values');
    expect(shown.body).toEqual({ values: [{ alias: 'valve', desired, synced: false }] });
    await site.device.writeAll(contact, new Map([['valve', 'open']]));
    expect((await admin('GET', '/v1/devices/pump-17/values')).body).toMatchObject({ values: [{ synced: true }] });
    await waitFor(() => site.events.length >= 2, { what: 'both events' });
    expect(site.events.map(({ type }) => type)).toEqual(['data_out', 'data_in']);
    expect(site.events[0]?.actor).toEqual(expect.any(String));
  });

  it('leave a row in the audit log when they are set or removed, without the values', async () => {
    await admin('PATCH', '/v1/devices/pump-17/values', { values: { valve: 'open' } });
    await admin('PATCH', '/v1/devices/pump-17/values', { values: { temperature: '1' } });
    await admin('DELETE', '/v1/devices/pump-17/values');
    const { rows } = auditPage.parse((await admin('GET', '/v1/audit')).body);
    expect(rows.map(({ action, subject, details }) => [action, subject, details])).toEqual([
      ['values-set', 'pump-17', { connector: 'default', aliases: 'valve' }],
      ['values-removed', 'pump-17', {}],
    ]);
    expect(rows[0]?.actor).toMatch(/^local-admin/);
  });

  it('cannot be set when the schema says so', async () => {
    const refused = await admin('PATCH', '/v1/devices/pump-17/values', { values: { temperature: '1' } });
    expect(refused).toMatchObject({ status: 400, body: { detail: expect.stringContaining('not settable') } });
    const unknown = await admin('PATCH', '/v1/devices/pump-17/values', { connector: 'other', values: { valve: '1' } });
    expect(unknown.status).toBe(404);
  });

  it('have a history that administrators read in parts, and remove', async () => {
    for (const temperature of ['1', '2', '3'])
      await site.device.writeAll(contact, new Map([['temperature', temperature]]));
    const path = '/v1/devices/pump-17/history?alias=temperature&limit=2&from=2026-06-01T12:00:00Z';
    expect((await admin('GET', path)).body).toMatchObject({ points: [{ value: '3' }, { value: '2' }] });
    const early = await admin('GET', '/v1/devices/pump-17/history?to=2026-06-01T12:00:00.000000Z');
    expect(early.body).toMatchObject({ points: [{ value: '1' }] });
    expect((await admin('DELETE', '/v1/devices/pump-17/values')).status).toBe(204);
    expect((await admin('GET', '/v1/devices/pump-17/history')).body).toEqual({ points: [] });
  });

  it('are removed when the device is deleted, but not those of a later device of this name', async () => {
    await site.device.writeAll(contact, new Map([['temperature', '50']]));
    const values = async () => JSON.stringify((await admin('GET', '/v1/devices/pump-17/values')).body);
    await site.deleted('2026-06-01T11:58:59.000Z');
    await waitFor(() => site.logged.some((line) => line.includes('its values stay')), { what: 'the warning' });
    expect(await values()).toContain('temperature');
    await site.deleted('2026-06-01T11:59:01.000Z');
    await waitFor(async () => (await values()) === '{"values":[]}', { what: 'no value' });
  });
});
