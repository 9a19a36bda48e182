import type { Mqtt, RpcClient } from '@sallyport/mqtt';
import {
  actorHeader,
  admitPeer,
  auditPage,
  auditVerdict,
  type CertificateAdmissionRequest,
  connectorDraft,
  connectorList,
  deviceList,
  deviceTopicId,
  listEntities,
  registerEntity,
  updateEntity,
} from '@sallyport/protocol';
import { type ServiceHost, SystemClock } from '@sallyport/runtime';
import { type Store, scopedStore } from '@sallyport/store';
import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { fingerprintOf, peer } from './registry.fixture.js';
import { RegistryReplicas } from './replicas.fixture.js';

const foreign = { issuedHere: false, issuerFingerprint: fingerprintOf('foreign CA') };
const other = {
  issuedHere: false,
  issuerFingerprint: fingerprintOf('another CA'),
  fingerprint: fingerprintOf('second'),
  serialNumber: '02',
};

describe.each(['SQLite', 'Redis'] as const)('three registries of one site on %s', (engine) => {
  let replicas: RegistryReplicas;
  let hosts: readonly ServiceHost[];
  let rpc: RpcClient;
  let mqtt: Mqtt;
  let store: Store;

  beforeEach(async () => {
    replicas = await RegistryReplicas.start({ engine, names: ['a', 'b', 'c'], clock: new SystemClock() });
    ({ hosts, rpc } = replicas);
    store = scopedStore(replicas.store, 'device-registry/');
    mqtt = await replicas.connect('thin-edge');
  });
  afterEach(() => replicas[Symbol.asyncDispose]());

  /** Whichever replica the broker chooses answers. */
  const admit = async (request: CertificateAdmissionRequest) => {
    const decision = await rpc.call(admitPeer, request, { deadlineMs: 10_000 });
    return decision.outcome === 'admitted' ? 'admitted' : decision.reason;
  };
  const everywhere = <Schema extends z.ZodType>(url: string, schema: Schema) =>
    Promise.all(hosts.map(async ({ app }) => schema.parse((await app.inject({ method: 'GET', url })).json<unknown>())));

  it('make one device and one audit row of fifty first contacts at once', async () => {
    const decisions = await Promise.all(Array.from({ length: 50 }, () => admit(peer(foreign))));

    expect(new Set(decisions)).toEqual(new Set(['admitted']));
    for (const { devices } of await everywhere('/v1/devices', deviceList)) expect(devices).toHaveLength(1);
    for (const { rows } of await everywhere('/v1/audit', auditPage))
      expect(rows.map(({ action }) => action)).toEqual(['device-registered']);
  });

  it('let exactly one of two CAs take a name when both come twenty times at once', async () => {
    const decisions = await Promise.all(
      Array.from({ length: 40 }, (_request, index) => admit(peer(index % 2 === 0 ? foreign : other))),
    );

    const [first, second] = [decisions.filter((_d, i) => i % 2 === 0), decisions.filter((_d, i) => i % 2 === 1)];
    expect([new Set(first), new Set(second)]).toContainEqual(new Set(['admitted']));
    expect([new Set(first), new Set(second)]).toContainEqual(new Set(['name-conflict']));
    for (const verdict of await everywhere('/v1/audit/verify', auditVerdict)) expect(verdict.intact).toBe(true);
  });

  it('let one of six administrators save a connector, and the others see that they came too late', async () => {
    const url = '/v1/connectors/default/draft';
    const asked = await Promise.all(
      Array.from({ length: 6 }, async (_, index) => {
        const app = hosts[index % hosts.length]?.app;
        const headers = { [actorHeader]: `admin-${index}` };
        const payload = { domains: [`${index}.example`] };
        const { etag } = connectorDraft.parse((await app?.inject({ method: 'PATCH', url, headers, payload }))?.json());
        return { app, headers: { ...headers, 'if-match': etag } };
      }),
    );
    const saves = asked.map(({ app, headers }) => app?.inject({ method: 'POST', url: `${url}/save`, headers }));
    const statuses = (await Promise.all(saves)).map((answer) => answer?.statusCode);
    expect(statuses.toSorted()).toEqual([200, 412, 412, 412, 412, 412]);

    const winner = `${statuses.indexOf(200)}.example`;
    for (const { connectors } of await everywhere('/v1/connectors', connectorList))
      expect(connectors).toMatchObject([{ name: 'default', version: 2, domains: [winner] }]);
  });

  it('hand every device of a CA over once, while those devices come with new certificates', async () => {
    const fleet = Array.from({ length: 60 }, (_, index) => `fleet-${index}`);
    const certificate = (deviceId: string, serial: string) =>
      peer({ ...foreign, deviceId, fingerprint: fingerprintOf(`${deviceId} ${serial}`), serialNumber: serial });
    for (const deviceId of fleet) await admit(certificate(deviceId, '01'));
    const [from, to] = [foreign, other].map(({ issuerFingerprint }) => `ca:${issuerFingerprint}`);
    const payload = { from, to, toName: 'CN=another CA', mode: 'move' };
    // A registry that never got its turn says so, and that trying again is safe.
    const takeOver = async (host: ServiceHost, triesLeft = 20): Promise<number> => {
      const { statusCode } = await host.app.inject({ method: 'POST', url: '/v1/takeovers', payload });
      return statusCode === 503 && triesLeft > 0 ? await takeOver(host, triesLeft - 1) : statusCode;
    };

    const [answers] = await Promise.all([
      Promise.all(hosts.map((host) => takeOver(host))),
      Promise.allSettled(fleet.map((deviceId) => admit(certificate(deviceId, '02')))),
    ]);

    expect(answers).toEqual([200, 200, 200]);
    for (const { devices } of await everywhere('/v1/devices?limit=1000', deviceList))
      expect(devices.map(({ authority }) => authority)).toEqual(fleet.map(() => to));
    for (const { rows } of await everywhere('/v1/audit?limit=1000', auditPage))
      expect(
        rows
          .filter(({ action }) => action === 'devices-taken-over')
          .reduce((sum, { details }) => sum + Number(details['count']), 0),
      ).toBe(60);
  });

  const deadline = { deadlineMs: 20_000 };
  const registered = async (): Promise<string[]> => {
    const { entities } = await rpc.call(listEntities, { filter: { type: 'child-device' }, offset: 0 }, deadline);
    return entities.map((each) => each['@topic-id']);
  };

  it('keep one tree of the entities that all of them change at once', async () => {
    const ids = Array.from({ length: 60 }, (_, index) => deviceTopicId(`child${index + 10}`));
    const child = (id: (typeof ids)[number]) => ({ '@topic-id': id, '@type': 'child-device' }) as const;
    await Promise.all(ids.map((id) => rpc.call(registerEntity, { entity: child(id), twin: {} }, deadline)));
    const again = await Promise.allSettled(
      ids.map((id) => rpc.call(registerEntity, { entity: child(id), twin: {} }, deadline)),
    );
    expect(again.map(({ status }) => status)).toEqual(ids.map(() => 'rejected'));
    // Whichever replica answers, each has all of them.
    for (let ask = 0; ask < 9; ask += 1) expect(await registered()).toEqual(ids);
    // Two devices that are put below each other at the same time: one of the two is refused.
    const [one, other] = [deviceTopicId('child10'), deviceTopicId('child11')];
    const moves = [
      { topicId: one, parent: other },
      { topicId: other, parent: one },
    ];
    const moved = await Promise.allSettled(moves.map((move) => rpc.call(updateEntity, move, deadline)));
    expect(moved.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('hear what devices say in one of them, and in another one when that one has stopped', async () => {
    await waitFor(async () => (await store.get('entities/channel')) !== undefined);
    await mqtt.publish('te/device/first//', '{"@type":"child-device"}', { retain: true });
    await waitFor(async () => (await registered()).includes('device/first//'));
    const holder = (await store.get('entities/channel'))?.value;
    const index = ['a', 'b', 'c'].findIndex((replica) => holder === `device-registry-${replica}`);
    await hosts[index]?.stop();
    await mqtt.publish('te/device/second//', '{"@type":"child-device"}', { retain: true });
    await waitFor(async () => (await registered()).includes('device/second//'));
    expect((await store.get('entities/channel'))?.value).not.toBe(holder);
  });
});
