import { loadSettings } from '@sallyport/config';
import { connectMqtt, connectRpcClient, type Mqtt, type RpcClient } from '@sallyport/mqtt';
import {
  actorHeader,
  admitPeer,
  auditPage,
  type CertificateAdmissionRequest,
  connectorDraft,
  type DeviceEvent,
  deviceEvent,
  deviceList,
} from '@sallyport/protocol';
import { openLog, RunningServices, type ServiceHost } from '@sallyport/runtime';
import { openRedisStore, openSqliteStore, type Store } from '@sallyport/store';
import { spawnMosquitto, spawnRedis, TestCa, TestClock, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { validNow } from '../connectors/connectors.fixture.js';
import { deviceRegistry } from '../service.js';
import { recordSite } from '../site/recorded-site.fixture.js';
import { contactWith, outcomeOf } from './contact.fixture.js';

/** Says how each replica opens the one store. */
type Engine = (opened: AsyncDisposableStack) => Promise<() => Promise<Store>>;

const onSqlite: Engine = async (opened) => {
  const directory = temporaryDirectory();
  opened.defer(() => directory.remove());
  return () => openSqliteStore({ file: directory.file('store.db') });
};
const onRedis: Engine = async (opened) => {
  const redis = await spawnRedis();
  opened.defer(() => redis.kill());
  return () => openRedisStore({ url: redis.url });
};

describe.each([
  ['SQLite', onSqlite],
  ['Redis', onRedis],
])('two registries of one connector on %s', (_, engine) => {
  let opened: AsyncDisposableStack;
  let hosts: ServiceHost[];
  let rpc: RpcClient;
  let listener: Mqtt;
  let one: TestCa;
  let other: TestCa;
  const events: DeviceEvent[] = [];

  beforeEach(async () => {
    opened = new AsyncDisposableStack();
    [hosts, events.length] = [[], 0];
    const broker = await spawnMosquitto({ config: ['set_tcp_nodelay true'] });
    opened.defer(() => broker.kill());
    const openStore = await engine(opened);
    const shared = await openStore();
    opened.defer(() => shared.close());
    await recordSite(shared);
    for (const replica of ['a', 'b']) hosts.push(await startReplica(replica, { url: broker.url, openStore }));
    const client = await connectRpcClient({ kind: 'network', url: broker.url, clientId: 'entrance' });
    opened.defer(() => client.close());
    rpc = client;
    listener = await connectMqtt({ kind: 'network', url: broker.url, clientId: 'listener' });
    opened.defer(() => listener.close());
    await listener.subscribe('sallyport/events/#', (_topic, payload) => {
      events.push(deviceEvent.parse(JSON.parse(payload.toString())));
    });
    [one, other] = [await authority('CA one'), await authority('CA other')];
    await openConnector([one, other]);
  });
  afterEach(() => opened.disposeAsync());

  async function startReplica(replica: string, site: { url: string; openStore: () => Promise<Store> }) {
    const directory = temporaryDirectory();
    opened.defer(() => directory.remove());
    const env = { TEDGE_RUN_PATH: directory.file('run') };
    const { settings } = await loadSettings({ configDir: directory.path, env, cwd: directory.path });
    const store = await site.openStore();
    opened.defer(() => store.close());
    const services = new RunningServices({
      settings,
      readSettings: async () => settings,
      log: openLog({ destination: { write: () => undefined } }),
      clock: new TestClock(new Date('2026-06-01T12:00:00Z')),
      store,
      connectionFor: (service) => ({ kind: 'network', url: site.url, clientId: `${service}-${replica}` }),
    });
    opened.defer(() => services.stop());
    return services.start(deviceRegistry);
  }

  async function authority(commonName: string): Promise<TestCa> {
    const ca = await TestCa.create({ ...validNow, subject: [['CN', commonName]] });
    opened.defer(() => ca[Symbol.asyncDispose]());
    return ca;
  }

  /** Everybody with a certificate of these CAs may come in. */
  async function openConnector(authorities: readonly TestCa[]): Promise<void> {
    const url = '/v1/connectors/default/draft';
    await send('PATCH', url, { provisioning: { self: true }, pki: { enabled: true } });
    for (const { certPem } of authorities) await send('POST', `${url}/client-cas`, { certificate: { text: certPem } });
    const { etag } = connectorDraft.parse(await send('GET', url));
    await send('POST', `${url}/save`, undefined, etag);
  }

  async function send(method: 'GET' | 'POST' | 'PATCH', url: string, payload?: object, ifMatch?: string) {
    const headers = { [actorHeader]: 'alice', ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }) };
    const response = await hosts[0]?.app.inject({
      method,
      url,
      headers,
      ...(payload === undefined ? {} : { payload }),
    });
    if (response === undefined || response.statusCode >= 400) throw new Error(`${url} answered ${response?.body}`);
    return response.json<unknown>();
  }

  /** Whichever replica the broker chooses answers. */
  const come = async (request: CertificateAdmissionRequest) =>
    outcomeOf(await rpc.call(admitPeer, request, { deadlineMs: 20_000 }));
  const provisioned = () => events.filter(({ type }) => type === 'provisioned').map(({ device }) => device);

  it('make one device, one event and fifty admissions of fifty first contacts at once', async () => {
    const request = await contactWith(one, { commonName: 'pump-17' });
    const decisions = await Promise.all(Array.from({ length: 50 }, () => come(request)));
    expect(new Set(decisions)).toEqual(new Set(['admitted as pump-17']));
    await come(await contactWith(one, { commonName: 'pump-18' }));
    await waitFor(() => provisioned().some((device) => device === 'pump-18'));
    // An event may come twice when two replicas publish it; then it has the same id.
    const ids = new Set(events.filter(({ device }) => device === 'pump-17').map(({ id }) => id));
    expect(ids.size).toBe(1);
    expect(deviceList.parse(await send('GET', '/v1/devices')).devices).toHaveLength(2);
    const { rows } = auditPage.parse(await send('GET', '/v1/audit?limit=1000'));
    expect(rows.filter(({ action, subject }) => action === 'device-registered' && subject === 'pump-17')).toHaveLength(
      1,
    );
  });

  it('let exactly one of two CAs take a name when both come twenty times at once; the other is told of a conflict', async () => {
    const requests = [
      await contactWith(one, { commonName: 'pump-17' }),
      await contactWith(other, { commonName: 'pump-17' }),
    ];
    const outcomes = await Promise.all(
      requests.map(async (request) => new Set(await Promise.all(Array.from({ length: 20 }, () => come(request))))),
    );
    expect(outcomes).toContainEqual(new Set(['admitted as pump-17']));
    expect(outcomes).toContainEqual(new Set(['name-conflict']));
    expect(deviceList.parse(await send('GET', '/v1/devices')).devices).toHaveLength(1);
  });
});
