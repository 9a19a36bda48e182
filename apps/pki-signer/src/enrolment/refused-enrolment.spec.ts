import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { csrFor, enrolmentOf, id, newKey, openTestSite, problemOf, type TestSite } from '../signer.fixture.js';

const stateOf = async ({ signer }: TestSite, name: string) =>
  (await signer.tokens.list({ limit: 100 })).enrollments.find(({ deviceId }) => deviceId === name)?.state;

const auditOf = async ({ signer }: TestSite, action: string) =>
  (await signer.audit.rows(0, 1000)).rows.filter((record) => record.action === action);

const issuedTo = async ({ signer }: TestSite, name: string) =>
  (await signer.inventory.list({ deviceId: id(name), limit: 100 })).records;

describe('an enrolment that is turned away', () => {
  it.each([
    ['an unknown device', 'child99'],
    ['a wrong token', 'child01'],
    ['a name no device can have', '../child01\n'],
  ])('says the same about %s', async (_case, name) => {
    await using site = await openTestSite();
    await site.token({ deviceId: 'child01' });
    const { type, message } = await problemOf(
      site.signer.enrolment.enrol(enrolmentOf(name, 'WRONG', csrFor('child01'))),
    );
    expect([type, message]).toEqual([
      'credentials-invalid',
      'Device id or one-time password are wrong, or the password is used up.',
    ]);
  });

  it.each(['child01', 'child99'])('costs one write whether the device is known or not (%s)', async (name) => {
    await using site = await openTestSite();
    await site.token({ deviceId: 'child01' });
    await problemOf(site.signer.enrolment.enrol(enrolmentOf(name, 'WRONG')));
    const before = await site.store.put('probe', 1);
    await problemOf(site.signer.enrolment.enrol(enrolmentOf(name, 'WRONG')));
    expect((await site.store.put('probe', 2)) - before).toBe(2);
  });

  it('keeps unknown names in bounded room', async () => {
    await using site = await openTestSite();
    const names = Array.from({ length: 30 }, (_, index) => `unknown-${index}`);
    for (const name of names) await problemOf(site.signer.enrolment.enrol(enrolmentOf(name, 'WRONG')));
    const { entries } = await site.store.list('enrolment', { limit: 1000 });
    expect(entries.every(({ key }) => /^enrolment-decoy\/\d{1,4}$/.test(key))).toBe(true);
  });

  it('leaves the token good when the registry does not answer, and says when to come back', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    site.registry.answer = () => Promise.reject(new Error('deadline'));
    const problem = await problemOf(site.signer.enrolment.enrol(enrolmentOf('child01', token)));
    expect([problem.type, problem.retryAfterSeconds]).toEqual(['unavailable', 10]);
    site.registry.answer = async () => ({ outcome: 'allowed' });
    await site.signer.enrolment.enrol(enrolmentOf('child01', token));
  });

  it('leaves the token good when the registry refuses, and says why', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    site.registry.answer = async () => ({ outcome: 'refused', reason: 'device-retired' });
    const problem = await problemOf(site.signer.enrolment.enrol(enrolmentOf('child01', token)));
    expect(problem.status).toBe(403);
    expect(problem.message).toBe(
      'No certificate for "child01": The device has been retired. Use another device id; a retired one never comes back.',
    );
    expect(await stateOf(site, 'child01')).toBe('open');
  });

  it('signs nothing and leaves the token good when the CSR is for another name', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const problem = await problemOf(site.signer.enrolment.enrol(enrolmentOf('child01', token, csrFor('child02'))));
    expect(problem.status).toBe(403);
    expect(await auditOf(site, 'request-refused')).toHaveLength(1);
    expect(await stateOf(site, 'child01')).toBe('open');
    expect(await issuedTo(site, 'child01')).toEqual([]);
  });

  it('refuses an RSA key of 1024 bits with the key named', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const problem = await problemOf(
      site.signer.enrolment.enrol(enrolmentOf('child01', token, csrFor('child01', privateKey))),
    );
    expect([problem.status, problem.type]).toEqual([400, 'csr-rejected']);
    expect(problem.message).toContain('1024');
  });

  it('refuses a CSR whose signature is not its own', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const csr = csrFor('child01');
    csr.writeUInt8(csr.readUInt8(csr.length - 1) ^ 1, csr.length - 1);
    expect((await problemOf(site.signer.enrolment.enrol(enrolmentOf('child01', token, csr)))).type).toBe(
      'csr-rejected',
    );
  });

  it('refuses a CSR in which any one bit was changed, always as the fault of who sent it', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const csr = csrFor('child01');
    for (let flip = 0; flip < 50; flip += 1) {
      const tampered = Buffer.from(csr);
      const bit = Math.floor((flip * csr.length * 8) / 50);
      tampered.writeUInt8(tampered.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      const { status } = await problemOf(site.signer.enrolment.enrol(enrolmentOf('child01', token, tampered)));
      expect(status).toBe(400);
    }
    await site.signer.enrolment.enrol(enrolmentOf('child01', token, csr));
  });

  it('refuses the key of another device', async () => {
    await using site = await openTestSite();
    const key = newKey();
    const first = await site.token({ deviceId: 'child01' });
    await site.signer.enrolment.enrol(enrolmentOf('child01', first, csrFor('child01', key)));
    const second = await site.token({ deviceId: 'child02' });
    const problem = await problemOf(
      site.signer.enrolment.enrol(enrolmentOf('child02', second, csrFor('child02', key))),
    );
    expect([problem.type, problem.message]).toEqual([
      'csr-forbidden',
      'This key belongs to another device. Make a new key and send a new CSR.',
    ]);
  });

  it('refuses one of two devices that come with the same key at once', async () => {
    await using site = await openTestSite();
    const key = newKey();
    const names = ['child01', 'child02'];
    const tokens = [await site.token({ deviceId: 'child01' }), await site.token({ deviceId: 'child02' })];
    const outcomes = await Promise.allSettled(
      names.map((name, at) => site.signer.enrolment.enrol(enrolmentOf(name, tokens[at] ?? '', csrFor(name, key)))),
    );
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  it('refuses the key of one of our own CAs', async () => {
    await using site = await openTestSite();
    const { privateKey } = await site.signer.keys.open('device-1');
    const token = await site.token({ deviceId: 'child01' });
    const problem = await problemOf(
      site.signer.enrolment.enrol(enrolmentOf('child01', token, csrFor('child01', privateKey))),
    );
    expect(problem.type).toBe('csr-forbidden');
  });

  it('refuses a key that was reported as stolen, even to its owner', async () => {
    await using site = await openTestSite();
    const key = newKey();
    const first = await site.token({ deviceId: 'child01' });
    const { fingerprint } = await site.signer.enrolment.enrol(enrolmentOf('child01', first, csrFor('child01', key)));
    await site.signer.revocation.revoke(fingerprint, 'keyCompromise', 'admin');
    const second = await site.token({ deviceId: 'child01' });
    const problem = await problemOf(
      site.signer.enrolment.enrol(enrolmentOf('child01', second, csrFor('child01', key))),
    );
    expect(problem.message).toBe('This key was reported as compromised. Make a new key and send a new CSR.');
  });

  it('is a matter of the profile the token is for', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const request = { ...enrolmentOf('child01', token), profile: 'service' as const };
    expect((await problemOf(site.signer.enrolment.enrol(request))).message).toBe(
      'The one-time password is for profile "device".',
    );
  });

  it('happens after too many requests of one address, whatever the names', async () => {
    await using site = await openTestSite();
    const names = Array.from({ length: 7 }, (_, index) => `child0${index}`);
    const requests: ReturnType<typeof enrolmentOf>[] = [];
    for (const name of names) requests.push(enrolmentOf(name, await site.token({ deviceId: name })));
    const outcomes: PromiseSettledResult<unknown>[] = [];
    for (let times = 0; times < 58; times += 1)
      outcomes.push(...(await Promise.allSettled(requests.map((request) => site.signer.enrolment.enrol(request)))));
    expect(outcomes.slice(0, 400).every(({ status }) => status === 'fulfilled')).toBe(true);
    expect(outcomes.at(-1)).toMatchObject({ status: 'rejected', reason: { type: 'rate-limited' } });
  });

  it.each([
    ['an address', () => '192.0.2.7'],
    ['an IPv6 network with an address for each guess', (index: number) => `2001:db8::${index}`],
  ])('happens ten times as soon to %s that guesses, whatever the names', async (_case, addressOf) => {
    await using site = await openTestSite();
    const guess = (index: number) => {
      const request = { ...enrolmentOf(`unknown-${index}`, 'WRONG'), remoteAddress: addressOf(index) };
      return problemOf(site.signer.enrolment.enrol(request));
    };
    for (let index = 0; index < 37; index += 1) expect((await guess(index)).status).toBe(401);
    expect((await guess(37)).status).toBe(429);
  });

  it('happens after too many requests of one name, with the time to wait', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const request = enrolmentOf('child01', token);
    for (let requests = 0; requests < 60; requests += 1) await site.signer.enrolment.enrol(request);
    const problem = await problemOf(site.signer.enrolment.enrol(request));
    expect([problem.status, problem.retryAfterSeconds]).toEqual([429, 1]);
    site.clock.advance(1);
    await site.signer.enrolment.enrol(request);
  });
});
