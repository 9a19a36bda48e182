import { AuditLog } from '@sallyport/audit';
import { hubIdOf, Problem, siteId } from '@sallyport/protocol';
import { Outbox } from '@sallyport/store';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { SignerAuditLog } from '../audit/signer-audit.js';
import { csrFor, id, openTestSite, problemOf, type TestSite } from '../signer.fixture.js';
import { CertificateIssuer } from './certificate-issuer.js';
import { type CertificateApplication, Issuance, type Requester } from './issuance.js';
import { RefusalAudit } from './refusal-audit.js';
import { requestedNamesOf } from './requested-names.js';
import { SignerMetrics } from './signer-metrics.js';

/** The way of a CSR on the parts of a site, with what happened on it. */
function issuanceOn({ signer, store, clock, registry, settings }: TestSite) {
  const { hierarchy, inventory, keys } = signer;
  const { organization, trustDomain, publicUrl } = settings;
  const audit: SignerAuditLog = new AuditLog(store, clock);
  const metrics = new SignerMetrics(new Registry());
  const outbox = new Outbox(store, 'outbox/');
  const validitySeconds = { device: 3600, service: 3600, admin: 3600, server: 3600, hub: 3600 };
  const hubId = hubIdOf(siteId.parse('0'.repeat(32)));
  const names = { organization, trustDomain, publicUrl, hubId };
  const parts = { store, audit, inventory, hierarchy, keys, outbox, clock, metrics };
  const issuer = new CertificateIssuer({ ...parts, ...names, validitySeconds });
  const refusals = new RefusalAudit(audit, metrics);
  const issuance = new Issuance({ hierarchy, registry: registry.gate, issuer, refusals, metrics });
  const happened: string[] = [];
  registry.answer = async () => {
    happened.push('registry');
    return { outcome: 'allowed' };
  };
  return { issuance, happened, actions: async () => (await audit.rows(0, 1000)).rows.map(({ action }) => action) };
}

type Steps = CertificateApplication<Requester, Requester>;

/** A request of which every step says that it was taken. */
function applicationOf(happened: string[], changes: Partial<Steps> = {}): Steps {
  const caller = { actor: 'somebody', subject: id('child01') };
  const took = <Result>(step: string, result: Result) => {
    happened.push(step);
    return result;
  };
  return {
    csr: csrFor('child01'),
    channelBindings: () => [],
    queueKey: 'child01',
    limit: () => took('limit', undefined),
    authenticate: async () => took('authenticate', caller),
    authorize: async () => took('authorize', caller),
    findEarlier: async () => took('findEarlier', undefined),
    orderFor: (_grant, { csr }) =>
      took('orderFor', {
        ...{ csr, name: caller.subject, actor: caller.actor, requested: requestedNamesOf(csr) },
        ...({ profile: 'device', provisioner: 'token', permittedHosts: [], reinstate: false } as const),
      }),
    ...changes,
  };
}

const refuse = () => {
  throw new Problem('forbidden', 'Not today.');
};

describe('the way of a certificate request', () => {
  it('is limits, caller, right to a certificate, earlier answer, CSR, registry, and then the signature', async () => {
    await using site = await openTestSite();
    const { issuance, happened, actions } = issuanceOn(site);
    const before = (await actions()).length;
    await issuance.issue(applicationOf(happened));
    expect(happened).toEqual(['limit', 'authenticate', 'authorize', 'findEarlier', 'orderFor', 'registry']);
    expect((await actions()).slice(before)).toEqual(['certificate-intended', 'certificate-issued']);
  });

  it.each([
    ['its limits', { limit: refuse }, []],
    ['who asks', { authenticate: refuse }, []],
    ['the right to a certificate', { authorize: refuse }, ['request-refused']],
    ['the earlier answer', { findEarlier: refuse }, ['request-refused']],
    ['an unreadable CSR', { csr: Buffer.from('no CSR') }, ['request-refused']],
    ['what the CSR asks for', { orderFor: refuse }, ['request-refused']],
  ])('ends at %s, and is in the audit log once it is known whose it was', async (_step, changes, rows) => {
    await using site = await openTestSite();
    const { issuance, happened, actions } = issuanceOn(site);
    const before = (await actions()).length;
    expect((await problemOf(issuance.issue(applicationOf(happened, changes)))).status).toBeLessThan(500);
    expect((await actions()).slice(before)).toEqual(rows);
    expect(happened).not.toContain('registry');
  });

  it('ends with the earlier certificate of the same request, and nothing is read, asked or signed', async () => {
    await using site = await openTestSite();
    const { issuance, happened, actions } = issuanceOn(site);
    const first = await issuance.issue(applicationOf(happened));
    const [asked, rows] = [happened.length, (await actions()).length];
    const repeated = applicationOf(happened, { csr: Buffer.from('no CSR'), findEarlier: async () => first });
    expect(await issuance.issue(repeated)).toBe(first);
    expect(happened.slice(asked)).toEqual(['limit', 'authenticate', 'authorize']);
    expect(await actions()).toHaveLength(rows);
  });

  it('begins again with the caller when what the certificate consumes was taken by another', async () => {
    await using site = await openTestSite();
    const { issuance, happened } = issuanceOn(site);
    let tries = 0;
    const application = applicationOf(happened);
    const taken = () => {
      tries += 1;
      return { compares: [{ key: 'token', revision: tries === 1 ? 99 : 0 }], operations: [] };
    };
    const orderFor: Steps['orderFor'] = (grant, incoming) => ({
      ...application.orderFor(grant, incoming),
      consume: taken,
    });
    await issuance.issue({ ...application, orderFor });
    expect(happened.filter((step) => step === 'limit' || step === 'authenticate')).toEqual([
      'limit',
      'authenticate',
      'authenticate',
    ]);
  });

  it('is gone one after the other by requests of one caller', async () => {
    await using site = await openTestSite();
    const { issuance, happened } = issuanceOn(site);
    await Promise.all([issuance.issue(applicationOf(happened)), issuance.issue(applicationOf(happened))]);
    const perRequest = ['authenticate', 'authorize', 'findEarlier', 'orderFor', 'registry'];
    expect(happened.filter((step) => step !== 'limit')).toEqual([...perRequest, ...perRequest]);
  });
});
