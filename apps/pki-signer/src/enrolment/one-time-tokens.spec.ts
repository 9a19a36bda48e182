import { describe, expect, it } from 'vitest';
import { csrFor, enrolmentOf, id, openTestSite, problemOf, type TestSite } from '../signer.fixture.js';

const stateOf = async ({ signer }: TestSite, name: string) =>
  (await signer.tokens.list({ limit: 100 })).enrollments.find(({ deviceId }) => deviceId === name)?.state;

const auditOf = async ({ signer }: TestSite, action: string) =>
  (await signer.audit.rows(0, 1000)).rows.filter((record) => record.action === action);

const issuedTo = async ({ signer }: TestSite, name: string) =>
  (await signer.inventory.list({ deviceId: id(name), limit: 100 })).records;

describe('a one-time token', () => {
  it('is 24 letters of Crockford and the fingerprint of the root', async () => {
    await using site = await openTestSite();
    const [secret, fingerprint = ''] = (await site.token({ deviceId: 'child01' })).split('.');
    expect(secret).toMatch(/^[0-9A-HJKMNP-TV-Z]{24}$/);
    const [root] = site.signer.hierarchy.trustBundle.roots;
    expect(Buffer.from(fingerprint, 'base64url').toString('hex')).toBe(root?.fingerprint);
  });

  it('is nowhere in the store', async () => {
    await using site = await openTestSite();
    const [secret = 'none'] = (await site.token({ deviceId: 'child01' })).split('.');
    await site.signer.enrolment.enrol(enrolmentOf('child01', secret));
    const everything = JSON.stringify((await site.store.list('', { limit: 1000 })).entries);
    expect(everything).not.toContain(secret);
    expect(everything).not.toContain(Buffer.from(secret).toString('hex'));
  });

  it('gives exactly one certificate to 50 devices that use it at once', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const requests = Array.from({ length: 50 }, () => enrolmentOf('child01', token, csrFor('child01')));
    const outcomes = await Promise.allSettled(requests.map((request) => site.signer.enrolment.enrol(request)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await issuedTo(site, 'child01')).toHaveLength(1);
  });

  it('gives exactly one certificate when two signers share the store', async () => {
    await using site = await openTestSite();
    const signers = [site.signer, await site.restart()];
    const token = await site.token({ deviceId: 'child01' });
    const requests = Array.from({ length: 10 }, () => enrolmentOf('child01', token, csrFor('child01')));
    const outcomes = await Promise.allSettled(
      requests.flatMap((request) => signers.map(({ enrolment }) => enrolment.enrol(request))),
    );
    const issued = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value.fingerprint] : []));
    expect(new Set(issued).size).toBe(1);
    expect(await issuedTo(site, 'child01')).toHaveLength(1);
    expect(await site.signer.audit.verify()).toMatchObject({ intact: true });
  });

  it('gives exactly one certificate when two devices use it at two signers at once', async () => {
    await using site = await openTestSite();
    const signers = [site.signer, await site.restart()];
    const token = await site.token({ deviceId: 'child01' });
    const outcomes = await Promise.allSettled(
      signers.map(({ enrolment }) => enrolment.enrol(enrolmentOf('child01', token))),
    );
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(await issuedTo(site, 'child01')).toHaveLength(1);
  });

  it('is worthless for another name even when its row in the store is moved there', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const row = await site.store.get('enrolment/child01');
    await site.store.put('enrolment/child02', { ...Object(row?.value), deviceId: 'child02' });
    expect((await problemOf(site.signer.enrolment.enrol(enrolmentOf('child02', token)))).status).toBe(401);
  });

  it('gives the same certificate again to the same request within ten minutes', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const request = enrolmentOf('child01', token);
    const first = await site.signer.enrolment.enrol(request);
    site.clock.advance(599);
    expect((await site.signer.enrolment.enrol(request)).fingerprint).toBe(first.fingerprint);
    site.clock.advance(2);
    expect((await problemOf(site.signer.enrolment.enrol(request))).status).toBe(401);
  });

  it('does not give the certificate again once it is revoked', async () => {
    await using site = await openTestSite();
    const request = enrolmentOf('child01', await site.token({ deviceId: 'child01' }));
    const { fingerprint } = await site.signer.enrolment.enrol(request);
    await site.signer.revocation.revoke(fingerprint, 'superseded', 'admin');
    const problem = await problemOf(site.signer.enrolment.enrol(request));
    expect([problem.status, problem.message]).toEqual([
      403,
      'The certificate issued for this request has been revoked. Get a new token.',
    ]);
  });

  it('is refused to another request once it is used', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    await site.signer.enrolment.enrol(enrolmentOf('child01', token));
    expect((await problemOf(site.signer.enrolment.enrol(enrolmentOf('child01', token)))).status).toBe(401);
  });

  it('is still good after a stranger was wrong a thousand times', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const stranger = { ...enrolmentOf('child01', 'WRONG'), remoteAddress: '192.0.2.66' };
    for (let tries = 0; tries < 1000; tries += 1) {
      await problemOf(site.signer.enrolment.enrol(stranger));
      site.clock.advance(0.1);
    }
    expect(await stateOf(site, 'child01')).toBe('open');
    await site.signer.enrolment.enrol(enrolmentOf('child01', token));
    expect(await stateOf(site, 'child01')).toBe('used');
  });

  it('is good at once in the network a guesser was slowed in', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const guess = () => problemOf(site.signer.enrolment.enrol(enrolmentOf('child01', 'WRONG')));
    for (let tries = 0; tries < 6; tries += 1) expect((await guess()).status).toBe(401);
    const slowed = await guess();
    expect([slowed.status, slowed.retryAfterSeconds]).toEqual([429, 7]);
    await site.signer.enrolment.enrol(enrolmentOf('child01', token));
  });

  it('is good while strangers of many networks guess at the same time', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const guesses = Array.from({ length: 40 }, (_, index) =>
      site.signer.enrolment.enrol({ ...enrolmentOf('child01', 'WRONG'), remoteAddress: `192.0.2.${index}` }),
    );
    const owner = site.signer.enrolment.enrol({ ...enrolmentOf('child01', token), remoteAddress: '198.51.100.1' });
    const outcomes = await Promise.allSettled(guesses);
    expect((await owner).deviceId).toBe('child01');
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
  });

  it.each(['child01', 'child99'])('slows who guesses by name and network, token or not (%s)', async (name) => {
    await using site = await openTestSite();
    await site.token({ deviceId: 'child01' });
    const guess = (index: number) =>
      problemOf(site.signer.enrolment.enrol({ ...enrolmentOf(name, 'WRONG'), remoteAddress: `2001:db8::${index}` }));
    for (let index = 0; index < 6; index += 1) expect((await guess(index)).status).toBe(401);
    const before = await site.store.put('probe', 1);
    const slowed = await guess(7);
    expect([slowed.status, slowed.retryAfterSeconds]).toEqual([429, 7]);
    expect((await site.store.put('probe', 2)) - before).toBe(1);
    site.clock.advance(7);
    expect((await guess(8)).status).toBe(401);
  });

  it('is in the audit log once when somebody guesses it', async () => {
    await using site = await openTestSite();
    await site.token({ deviceId: 'child01' });
    for (let tries = 0; tries < 6; tries += 1)
      await problemOf(site.signer.enrolment.enrol(enrolmentOf('child01', 'WRONG')));
    expect((await auditOf(site, 'enrolment-guessed')).map(({ subject, outcome }) => [subject, outcome])).toEqual([
      ['"child01"', 'refused'],
    ]);
  });

  it('still works after four wrong tries', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    for (let tries = 0; tries < 4; tries += 1)
      await problemOf(site.signer.enrolment.enrol(enrolmentOf('child01', 'WRONG')));
    await site.signer.enrolment.enrol(enrolmentOf('child01', token));
    expect(await stateOf(site, 'child01')).toBe('used');
  });

  it('counts wrong tries that come at once', async () => {
    await using site = await openTestSite();
    await site.token({ deviceId: 'child01' });
    const tries = Array.from({ length: 5 }, () => site.signer.enrolment.enrol(enrolmentOf('child01', 'WRONG')));
    await Promise.allSettled(tries);
    const { enrollments } = await site.signer.tokens.list({ limit: 10 });
    expect(enrollments).toMatchObject([{ state: 'open', failedTries: 5 }]);
  });

  it('ends with its validity', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01', validitySeconds: 60 });
    site.clock.advance(60);
    expect((await problemOf(site.signer.enrolment.enrol(enrolmentOf('child01', token)))).status).toBe(401);
    expect(await stateOf(site, 'child01')).toBe('expired');
  });

  it('replaces the one before it', async () => {
    await using site = await openTestSite();
    const [before, after] = [await site.token({ deviceId: 'child01' }), await site.token({ deviceId: 'child01' })];
    expect((await problemOf(site.signer.enrolment.enrol(enrolmentOf('child01', before)))).status).toBe(401);
    await site.signer.enrolment.enrol(enrolmentOf('child01', after));
  });

  it('is worthless once it is withdrawn', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    await site.signer.tokens.withdraw(id('child01'), 'admin');
    expect((await problemOf(site.signer.enrolment.enrol(enrolmentOf('child01', token)))).status).toBe(401);
  });

  it('is worthless for another name', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    await site.token({ deviceId: 'child02' });
    expect((await problemOf(site.signer.enrolment.enrol(enrolmentOf('child02', token)))).status).toBe(401);
  });
});
