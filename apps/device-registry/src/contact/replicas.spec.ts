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
import { TestCa, TestClock, waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { validNow } from '../connectors/connectors.fixture.js';
import { RegistryReplicas } from '../replicas.fixture.js';
import { contactWith, outcomeOf } from './contact.fixture.js';

describe.each(['SQLite', 'Redis'] as const)('two registries of one connector on %s', (engine) => {
  let replicas: RegistryReplicas;
  let one: TestCa;
  let other: TestCa;
  const events: DeviceEvent[] = [];

  beforeEach(async () => {
    events.length = 0;
    const clock = new TestClock(new Date('2026-06-01T12:00:00Z'));
    replicas = await RegistryReplicas.start({ engine, names: ['a', 'b'], clock });
    const listener = await replicas.connect('listener');
    await listener.subscribe('sallyport/events/#', (_topic, payload) => {
      events.push(deviceEvent.parse(JSON.parse(payload.toString())));
    });
    [one, other] = [await authority('CA one'), await authority('CA other')];
    await openConnector([one, other]);
  });
  afterEach(() => replicas[Symbol.asyncDispose]());

  async function authority(commonName: string): Promise<TestCa> {
    const ca = await TestCa.create({ ...validNow, subject: [['CN', commonName]] });
    replicas.opened.defer(() => ca[Symbol.asyncDispose]());
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
    const response = await replicas.hosts[0]?.app.inject({
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
    outcomeOf(await replicas.rpc.call(admitPeer, request, { deadlineMs: 20_000 }));
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
