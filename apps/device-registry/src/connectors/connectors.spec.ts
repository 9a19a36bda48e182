import { connectMqtt, subscribeEvent } from '@sallyport/mqtt';
import {
  connectorName,
  connectorRoutes,
  connectorsChanged,
  deviceId,
  reportConnectorsVersion,
} from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Devices } from '../devices/devices.js';
import { peer } from '../registry.fixture.js';
import { ConnectorsUnderTest } from './connectors.fixture.js';

const { createConnector, listConnectors, removeConnector, changeDraft, saveDraft, showConnector } = connectorRoutes;

describe('connectors', () => {
  let site: ConnectorsUnderTest;
  beforeEach(async () => {
    site = await ConnectorsUnderTest.start();
  });
  afterEach(() => site.stop());

  it('are one to begin with, which admits nobody new', async () => {
    expect(await site.alice.call(listConnectors)).toEqual({
      connectors: [{ name: 'default', version: 1, domains: [], self: false, pki: false, clientCas: 0 }],
    });
    expect(await site.directory()).toMatchObject({ version: 0, connectors: [{ name: 'default', clientCas: [] }] });
  });

  it('can be added and removed, but for the default one', async () => {
    const { etag } = await site.alice.call(createConnector, { body: { name: 'acme' } });
    expect(await site.alice.refusal(createConnector, { body: { name: 'acme' } })).toContain('409 There is a connector');
    expect((await site.directory()).connectors.map(({ name }) => name)).toEqual(['default', 'acme']);

    const params = { name: 'acme' };
    expect(await site.alice.refusal(removeConnector, { params, ifMatch: '"7"' })).toContain('412 Somebody changed');
    expect((await site.alice.send(removeConnector, { params, ifMatch: etag })).status).toBe(204);
    expect((await site.directory()).connectors).toHaveLength(1);
    expect(await site.alice.refusal(removeConnector, { ifMatch: '"1"' })).toContain('403 The default connector');
    expect(await site.alice.refusal(showConnector, { params })).toContain('404 No connector is called "acme"');
  });

  it('do not share a domain', async () => {
    await site.alice.call(createConnector, { body: { name: 'acme' } });
    await site.alice.call(changeDraft, { body: { domains: ['iot.example'] } });
    await site.alice.save();
    const params = { name: 'acme' };
    const { etag, findings } = await site.alice.call(changeDraft, { params, body: { domains: ['iot.example'] } });
    expect(findings).toMatchObject([{ code: 'domain-taken', severity: 'error' }]);
    expect(await site.alice.refusal(saveDraft, { params, ifMatch: etag })).toContain(
      '409 The draft cannot be saved. The domain iot.example belongs to the connector "default".',
    );
  });

  it('do not share a domain either when two are saved at the same time', async () => {
    await site.alice.call(createConnector, { body: { name: 'acme' } });
    const draftOf = async (name: string) => {
      const { etag } = await site.alice.call(changeDraft, { params: { name }, body: { domains: ['iot.example'] } });
      return () => site.alice.send(saveDraft, { params: { name }, ifMatch: etag });
    };
    const saves = [await draftOf('default'), await draftOf('acme')];
    const answers = await Promise.all(saves.map((save) => save()));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409]);
  });

  it('are not removed while they have devices', async () => {
    const { etag } = await site.alice.call(createConnector, { body: { name: 'acme' } });
    await site.registry.admit(peer({ deviceId: 'pump-1' }));
    await site.registry.part(Devices).change(deviceId.parse('pump-1'), async (before) => {
      const after = before && { ...before.record, connector: connectorName.parse('acme') };
      return { result: undefined, change: { before, after, audit: [] } };
    });
    expect(await site.alice.refusal(removeConnector, { params: { name: 'acme' }, ifMatch: etag })).toContain(
      '409 Connector "acme" still has devices: 1.',
    );
  });

  it('are announced with each change', async () => {
    const mqtt = await connectMqtt(site.registry.connection('listener'));
    const versions: number[] = [];
    await subscribeEvent(mqtt, connectorsChanged, async ({ version }) => void versions.push(version));
    await site.alice.call(createConnector, { body: { name: 'acme' } });
    await site.alice.call(changeDraft, { body: { domains: ['iot.example'] } });
    await site.alice.save();
    await waitFor(() => versions.length === 2);
    expect(versions).toEqual([1, 2]);
    await mqtt.close();
  });

  it('are the same after a restart', async () => {
    await site.alice.call(changeDraft, { body: { domains: ['iot.example'] } });
    await site.alice.save();
    await site.alice.call(changeDraft, { body: { pki: { enabled: true } } });
    await site.registry.restart();
    expect(await site.directory()).toMatchObject({
      version: 1,
      connectors: [{ settings: { domains: ['iot.example'] } }],
    });
    expect((await site.alice.draft()).changes).toHaveLength(1);
  });
});

describe('a save', () => {
  let site: ConnectorsUnderTest;
  beforeEach(async () => {
    site = await ConnectorsUnderTest.start();
    await site.alice.call(changeDraft, { body: { domains: ['iot.example'] } });
  });
  afterEach(() => site.stop());

  const [quick, slow] = ['0'.repeat(32), '1'.repeat(32)];
  const report = (listener: string, version: number, leaves = false) =>
    site.registry.ask(reportConnectorsVersion, { listener, version, leaves });

  it('answers when all listeners apply it', async () => {
    await report(quick, 0);
    await report(slow, 0);
    const saving = site.alice.save();
    await waitFor(async () => (await site.directory()).version === 1);
    expect(await report(quick, 1)).toEqual({ version: 1 });
    await report(slow, 1);
    expect((await saving).followed).toEqual({ listeners: 2, late: 0 });
  });

  it('does not wait for listeners that have left', async () => {
    await report(quick, 0);
    await report(quick, 0, true);
    expect((await site.alice.save()).followed).toEqual({ listeners: 0, late: 0 });
  });

  it('says how many listeners did not follow within 5 s', async () => {
    await report(slow, 0);
    expect((await site.alice.save()).followed).toEqual({ listeners: 0, late: 1 });
  });
});
