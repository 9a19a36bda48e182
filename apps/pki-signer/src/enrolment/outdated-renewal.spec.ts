import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CertificateRecord } from '../inventory/certificate-record.js';
import { csrFor, day, enrolmentOf, id, newKey, openTestSite, problemOf, type TestSite } from '../signer.fixture.js';
import type { SignerSettings } from '../signer-settings.js';

const renewalOf = ({ fingerprint, deviceId }: CertificateRecord, csr = csrFor(deviceId)) => ({
  fingerprint,
  deviceId,
  csr,
  channelBindings: () => [],
  remoteAddress: '127.0.0.1',
});

async function enrolled(site: TestSite, deviceId: string, profile: 'device' | 'service' | 'admin' = 'device') {
  const token = await site.token({ deviceId, profile });
  return site.signer.enrolment.enrol({ ...enrolmentOf(deviceId, token, csrFor(deviceId, newKey())), profile });
}

async function refusal(site: TestSite, record: CertificateRecord): Promise<string> {
  const problem = await problemOf(site.signer.renewal.renew(renewalOf(record)));
  return `${problem.type}: ${problem.message}`;
}

async function siteWith(changes: Partial<SignerSettings> = {}): Promise<TestSite> {
  return openTestSite(changes);
}

describe('a certificate of a service that has ended', () => {
  let site: TestSite;
  beforeAll(async () => {
    site = await siteWith();
  });
  afterAll(() => site[Symbol.asyncDispose]());

  it.each([1, 89, 400])('is renewed %i days after its end, and the audit log says so', async (days) => {
    const old = await enrolled(site, 'mqtt-bridge', 'service');
    site.clock.advance((30 + days) * day);
    const renewed = await site.signer.renewal.renew(renewalOf(old));
    expect(renewed.renews).toBe(old.fingerprint);
    const { rows } = await site.signer.audit.rows(0, 1000);
    expect(rows.findLast(({ action }) => action === 'certificate-issued')?.details).toMatchObject({
      provisioner: 'renewal',
      afterEnd: old.notAfter,
    });
  });

  it('is renewed for the operator of the machine of the site, and for no other administrator', async () => {
    const [operator, alice] = [await enrolled(site, 'operator', 'admin'), await enrolled(site, 'alice', 'admin')];
    site.clock.advance(60 * day);
    expect((await site.signer.renewal.renew(renewalOf(operator))).renews).toBe(operator.fingerprint);
    expect(await refusal(site, alice)).toMatch(`forbidden: The certificate ended ${alice.notAfter}.`);
  });

  it('is renewed also when the inventory has forgotten all its other certificates and this one', async () => {
    const old = await enrolled(site, 'coap-gateway', 'service');
    site.clock.advance(200 * day);
    await site.store.transaction([], [{ delete: `certificate/${old.fingerprint}` }]);
    expect((await site.signer.renewal.renew(renewalOf(old))).renews).toBe(old.fingerprint);
  });

  it('is refused when it was revoked', async () => {
    const old = await enrolled(site, 'mqtt-broker', 'service');
    await site.signer.revocation.revoke(old.fingerprint, 'keyCompromise', 'admin');
    site.clock.advance(31 * day);
    expect(await refusal(site, old)).toBe(
      'forbidden: The certificate has been revoked. Enrol again with a new one-time token.',
    );
  });

  it('is refused when the service has got a newer one', async () => {
    const old = await enrolled(site, 'c8y-proxy', 'service');
    site.clock.advance(1);
    await enrolled(site, 'c8y-proxy', 'service');
    site.clock.advance(31 * day);
    expect(await refusal(site, old)).toBe(
      `forbidden: The certificate ended ${old.notAfter}, and "c8y-proxy" has got a newer one since. Use the newer one, enrol again with a new one-time token.`,
    );
  });

  it('may be renewed again when the answer was lost, until the renewed one was renewed itself', async () => {
    const old = await enrolled(site, 'connector', 'service');
    site.clock.advance(31 * day);
    const lost = await site.signer.renewal.renew(renewalOf(old));
    site.clock.advance(day);
    expect((await site.signer.renewal.renew(renewalOf(old))).renews).toBe(old.fingerprint);
    await site.signer.renewal.renew(renewalOf(lost));
    expect(await refusal(site, old)).toMatch('has got a newer one since');
  });

  it('is renewed while the registry is away, because the registry may be the one that asks', async () => {
    const old = await enrolled(site, 'device-registry', 'service');
    site.clock.advance(31 * day);
    const { answer } = site.registry;
    site.registry.answer = () => Promise.reject(new Error('away'));
    expect((await site.signer.renewal.renew(renewalOf(old))).renews).toBe(old.fingerprint);
    site.registry.answer = answer;
  });

  it.each([
    ['its service is locked in the registry', 'away'],
    ['the registry says no', 'refused'],
  ] as const)('is refused when %s', async (_case, how) => {
    const old = await enrolled(site, 'agent', 'service');
    site.clock.advance(31 * day);
    await site.signer.serviceLocks.follow({ deviceId: id('agent'), state: how === 'away' ? 'locked' : 'active' });
    const { answer } = site.registry;
    site.registry.answer = () =>
      how === 'away'
        ? Promise.reject(new Error('away'))
        : Promise.resolve({ outcome: 'refused', reason: 'device-locked' });
    expect(await refusal(site, old)).toMatch('forbidden: No certificate for "agent":');
    await site.signer.serviceLocks.follow({ deviceId: id('agent'), state: 'active' });
    site.registry.answer = answer;
    expect((await site.signer.renewal.renew(renewalOf(old))).renews).toBe(old.fingerprint);
  });
});

describe('a certificate of a device that has ended', () => {
  it('is refused, and the device is told when it ended and how to come back', async () => {
    await using site = await siteWith();
    const old = await enrolled(site, 'child01');
    site.clock.advance(90 * day + 2);
    expect(await refusal(site, old)).toBe(
      `forbidden: The certificate ended ${old.notAfter}. To come back, get a new one-time token on the site (sallyport device enroll-token child01) and enrol again with it.`,
    );
  });

  it('is renewed within the grace, if the registry answers, and is refused after it', async () => {
    await using site = await siteWith({ renewalGraceSeconds: 14 * day });
    const [early, late] = [await enrolled(site, 'child01'), await enrolled(site, 'child02')];
    site.clock.advance(100 * day);
    const { answer } = site.registry;
    site.registry.answer = () => Promise.reject(new Error('away'));
    expect(await refusal(site, early)).toMatch('unavailable: The device registry does not answer');
    site.registry.answer = answer;
    expect((await site.signer.renewal.renew(renewalOf(early))).renews).toBe(early.fingerprint);
    site.clock.advance(5 * day);
    expect(await refusal(site, late)).toMatch(`forbidden: The certificate ended ${late.notAfter}. To come back,`);
  });
});

describe('a certificate that is not valid yet', () => {
  it('is renewed, and the new one does not end earlier than it', async () => {
    await using site = await siteWith();
    const [device, service] = [await enrolled(site, 'child01'), await enrolled(site, 'mqtt-bridge', 'service')];
    site.clock.advance(-20 * 3600);
    for (const old of [device, service]) {
      const renewed = await site.signer.renewal.renew(renewalOf(old));
      expect(Date.parse(renewed.notBefore)).toBeLessThan(site.clock.now().getTime());
      expect(renewed.notAfter).toBe(old.notAfter);
    }
  });
});
