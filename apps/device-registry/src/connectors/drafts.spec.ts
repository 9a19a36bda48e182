import { auditPage, connectorRoutes } from '@sallyport/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConnectorsUnderTest } from './connectors.fixture.js';

describe('the draft of a connector', () => {
  let site: ConnectorsUnderTest;
  beforeEach(async () => {
    site = await ConnectorsUnderTest.start();
  });
  afterEach(() => site.stop());

  const { changeDraft, saveDraft, rebaseDraft, discardDraft, showConnector } = connectorRoutes;

  it('is in force only after it was saved, and then all of it', async () => {
    const ca = await site.authority();
    await site.alice.addCa(ca.certificate.certPem, { label: 'factory' });
    await site.alice.call(changeDraft, { body: { provisioning: { self: true }, pki: { enabled: true } } });

    expect((await site.directory()).connectors).toMatchObject([{ name: 'default', clientCas: [] }]);

    const saved = await site.alice.save();
    expect(saved.document).toMatchObject({ version: 2, clientCas: [{ label: 'factory' }] });
    const { version, connectors } = await site.directory();
    expect(version).toBe(1);
    expect(connectors).toMatchObject([
      {
        settings: { provisioning: { self: true, auth: 'certificate' }, pki: { enabled: true } },
        clientCas: [{ login: true, provision: true, sessions: 'end' }],
      },
    ]);
    const [certificate = ''] = connectors[0]?.clientCas[0]?.certificates ?? [];
    expect(ca.certificate.certPem.replaceAll(/\s/g, '')).toContain(certificate);
  });

  it('shows each difference in words', async () => {
    await site.alice.call(changeDraft, {
      body: {
        domains: ['iot.example'],
        pki: { enabled: true },
        quota: { devices: 5 },
        resources: { t: { format: 'number', settable: false } },
      },
    });
    const { changes, basedOn, current } = await site.alice.draft();
    expect([basedOn, current]).toEqual([1, 1]);
    expect(changes.map(({ text }) => text)).toEqual([
      'domains: ["iot.example"] instead of []',
      'pki.enabled: true instead of false',
      'quota.devices: now 5',
      'resources.t: now {"format":"number","settable":false}',
    ]);
  });

  it('takes a value away with null', async () => {
    await site.alice.call(changeDraft, { body: { quota: { devices: 5 }, hook: { url: 'https://hook.example/' } } });
    await site.alice.call(changeDraft, { body: { quota: { devices: null }, hook: null } });
    expect((await site.alice.draft()).changes).toEqual([]);
  });

  it('belongs to one administrator', async () => {
    await site.alice.call(changeDraft, { body: { pki: { enabled: true } } });
    expect((await site.bob.draft()).changes).toEqual([]);
    expect((await site.bob.call(showConnector)).drafts).toMatchObject([{ actor: 'local-admin:alice', basedOn: 1 }]);
  });

  it('cannot be saved over what somebody else saved', async () => {
    const [first, second] = [await site.authority(), await site.authority()];
    await site.alice.addCa(first.certificate.certPem);
    await site.bob.addCa(second.certificate.certPem);
    await site.alice.save();

    const { etag } = await site.bob.draft();
    expect(await site.bob.refusal(saveDraft, { ifMatch: etag })).toBe(
      '412 Somebody else saved this connector: your draft is based on version 1, and version 2 is in force. Nothing was saved. Put your changes onto it: sallyport connector rebase',
    );
    expect((await site.directory()).connectors[0]?.clientCas).toHaveLength(1);

    await site.bob.call(rebaseDraft);
    await site.bob.save();
    expect((await site.directory()).connectors[0]?.clientCas).toHaveLength(2);
  });

  it('lets only one of two win that save at the same time', async () => {
    await site.alice.call(changeDraft, { body: { domains: ['a.example'] } });
    await site.bob.call(changeDraft, { body: { domains: ['b.example'] } });
    const [one, other] = [(await site.alice.draft()).etag, (await site.bob.draft()).etag];
    const answers = await Promise.all([
      site.alice.send(saveDraft, { ifMatch: one }),
      site.bob.send(saveDraft, { ifMatch: other }),
    ]);
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 412]);
  });

  it('is not rebased where both changed the same', async () => {
    await site.alice.call(changeDraft, { body: { domains: ['a.example'] } });
    await site.bob.call(changeDraft, { body: { domains: ['b.example'] } });
    await site.alice.save();
    expect(await site.bob.refusal(rebaseDraft)).toContain('409 You and somebody else changed the settings "domains"');
  });

  it('is changed and saved only in the version that was seen', async () => {
    const { etag } = await site.alice.call(changeDraft, { body: { domains: ['a.example'] } });
    await site.alice.call(changeDraft, { body: { pki: { enabled: true } }, ifMatch: etag });
    for (const route of [changeDraft, saveDraft, discardDraft])
      expect(await site.alice.refusal(route, { body: {}, ifMatch: etag })).toContain('412 Your draft has changed');
    expect(await site.alice.refusal(saveDraft)).toContain('412 The header If-Match is missing');
  });

  it('can be thrown away', async () => {
    await site.alice.call(changeDraft, { body: { domains: ['a.example'] } });
    await site.alice.send(discardDraft, {});
    const { changes, etag } = await site.alice.draft();
    expect(changes).toEqual([]);
    expect(await site.alice.refusal(saveDraft, { ifMatch: etag })).toContain('409 There is nothing to save');
  });

  it('leaves in the audit log who changed what', async () => {
    await site.alice.call(changeDraft, { body: { domains: ['a.example'], pki: { enabled: true } } });
    await site.alice.save();
    const { rows } = await site.registry.get('/v1/audit', auditPage);
    expect(rows.map(({ actor, action, subject, details }) => [actor, action, subject, details])).toEqual([
      ['local-admin:alice', 'connector-saved', 'default', { version: 2, changes: 2 }],
      [
        'local-admin:alice',
        'connector-changed',
        'default',
        { version: 2, path: 'settings.domains', change: 'domains: ["a.example"] instead of []' },
      ],
      [
        'local-admin:alice',
        'connector-changed',
        'default',
        { version: 2, path: 'settings.pki.enabled', change: 'pki.enabled: true instead of false' },
      ],
    ]);
  });

  it.each([
    [{ domains: ['UPPER.example'] }, 'is no DNS name'],
    [{ domains: ['192.0.2.1'] }, 'is an address'],
    [{ domains: ['*.example'] }, 'is no DNS name'],
    [{ provisioning: { allowedNetworks: ['10.0.0.0'] } }, 'provisioning.allowedNetworks.0'],
    [{ pki: { pinning: 'none' } }, 'pki.pinning'],
    [{ resources: { 'a.b': { format: 'string', settable: true } } }, 'resources'],
    [{ unknown: true }, 'unknown'],
  ])('refuses %j', async (body, reason) => {
    expect(await site.alice.refusal(changeDraft, { body })).toContain(reason);
  });
});
