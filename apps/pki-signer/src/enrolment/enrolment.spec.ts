import { generateKeyPairSync } from 'node:crypto';
import { certificateIssued } from '@sallyport/protocol';
import { buildCertificateRequest, parseCertificate, verifySignedBy } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { csrFor, enrolmentOf, id, newKey, openTestSite, problemOf, type TestSite } from '../signer.fixture.js';

const stateOf = async ({ signer }: TestSite, name: string) =>
  (await signer.tokens.list({ limit: 100 })).enrollments.find(({ deviceId }) => deviceId === name)?.state;

const auditOf = async ({ signer }: TestSite, action: string) =>
  (await signer.audit.rows(0, 1000)).rows.filter((record) => record.action === action);

const issuedTo = async ({ signer }: TestSite, name: string) =>
  (await signer.inventory.list({ deviceId: id(name), limit: 100 })).records;

describe('enrolment with a one-time token', () => {
  it('issues a leaf for the name the token is for, signed by the device CA', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const record = await site.signer.enrolment.enrol(enrolmentOf('child01', token));
    const leaf = parseCertificate(Buffer.from(record.certificate, 'base64'));
    expect(leaf.subject.text).toBe('CN=child01,O=Test Site');
    expect(leaf.subjectAltNames).toEqual([{ type: 'uri', value: 'spiffe://sallyport.local/device/child01' }]);
    expect(verifySignedBy(leaf, site.signer.hierarchy.signing('device').certificate)).toBe(true);
  });

  it('issues a leaf that ends when the profile says, to the second', async () => {
    await using site = await openTestSite({ deviceValiditySeconds: 3600 });
    const token = await site.token({ deviceId: 'child01' });
    const { notAfter } = await site.signer.enrolment.enrol(enrolmentOf('child01', token));
    const second = Math.floor(site.clock.now().getTime() / 1000);
    expect(Date.parse(notAfter)).toBe((second + 3600) * 1000);
  });

  it('asks the device registry before it signs', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01', reinstate: true });
    await site.signer.enrolment.enrol(enrolmentOf('child01', token));
    expect(site.registry.questions).toEqual([{ deviceId: id('child01'), kind: 'device', reinstate: true }]);
  });

  it('takes the bare secret as well as the whole token', async () => {
    await using site = await openTestSite();
    const [secret = ''] = (await site.token({ deviceId: 'child01' })).split('.');
    await site.signer.enrolment.enrol(enrolmentOf('child01', secret));
    expect(await stateOf(site, 'child01')).toBe('used');
  });

  it('announces the certificate in the transaction that stores it', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const { fingerprint, serialNumber } = await site.signer.enrolment.enrol(enrolmentOf('child01', token));
    const { entries } = await site.store.list('outbox/');
    const announced = entries.map(({ value }) => value);
    expect(announced).toContainEqual({
      topic: 'sallyport/v1/event/certificate-issued',
      payload: expect.objectContaining({ fingerprint, serialNumber, deviceId: 'child01', reinstate: false }),
    });
    const event = announced.at(-1);
    expect(certificateIssued.payload.safeParse(Object(event).payload).success).toBe(true);
  });

  it('writes the audit log before and after the signature', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const { serialNumber, fingerprint } = await site.signer.enrolment.enrol(enrolmentOf('child01', token));
    const intended = (await auditOf(site, 'certificate-intended')).at(-1);
    const issued = (await auditOf(site, 'certificate-issued')).at(-1);
    expect(intended?.details).toMatchObject({ serialNumber, issuer: 'device-1' });
    expect(issued?.details).toMatchObject({ serialNumber, fingerprint });
    expect(issued?.actor).toBe('device:child01@127.0.0.1');
    expect(Number(issued?.sequence)).toBe(Number(intended?.sequence) + 1);
  });
});

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

describe('a token for a service', () => {
  it('lets the certificate carry the names it lists and no others', async () => {
    await using site = await openTestSite();
    const subjectAltNames = [{ type: 'dns' as const, value: 'Agent.local' }];
    const token = await site.token({ deviceId: 'agent', profile: 'service', subjectAltNames });
    const greedy = csrFor('agent', newKey(), [{ type: 'dns', value: 'cloud.local' }]);
    expect((await problemOf(site.signer.enrolment.enrol(enrolmentOf('agent', token, greedy)))).status).toBe(403);
    const fair = csrFor('agent', newKey(), [{ type: 'dns', value: 'agent.local' }]);
    const record = await site.signer.enrolment.enrol(enrolmentOf('agent', token, fair));
    expect(record.issuer).toBe('service-1');
    const leaf = parseCertificate(Buffer.from(record.certificate, 'base64'));
    expect(leaf.extendedKeyUsages).toEqual(['serverAuth', 'clientAuth']);
    expect(leaf.subjectAltNames).toEqual([
      { type: 'uri', value: 'spiffe://sallyport.local/service/agent' },
      { type: 'dns', value: 'agent.local' },
    ]);
  });
});

describe('an address in a token', () => {
  it.each(['2001:DB8:0::0001', '2001:db8::1'])('may be spelled as %s', async (value) => {
    await using site = await openTestSite();
    const subjectAltNames = [{ type: 'ip' as const, value }];
    const token = await site.token({ deviceId: 'agent', profile: 'service', subjectAltNames });
    const csr = csrFor('agent', newKey(), [{ type: 'ip', value: '2001:db8::1' }]);
    expect((await site.signer.enrolment.enrol(enrolmentOf('agent', token, csr))).deviceId).toBe('agent');
  });

  it('with a zone permits no address', async () => {
    await using site = await openTestSite();
    const subjectAltNames = [{ type: 'ip' as const, value: 'fe80::1%eth0' }];
    const token = await site.token({ deviceId: 'agent', profile: 'service', subjectAltNames });
    const csr = csrFor('agent', newKey(), [{ type: 'ip', value: 'fe80::1' }]);
    expect((await problemOf(site.signer.enrolment.enrol(enrolmentOf('agent', token, csr)))).status).toBe(403);
  });
});

describe('a challengePassword', () => {
  const binding = Buffer.from('tls-unique').toString('base64');
  const challenged = () =>
    buildCertificateRequest({ privateKey: newKey(), commonName: 'child01', challengePassword: binding });

  it('ties a CSR to its connection', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const request = { ...enrolmentOf('child01', token, challenged()), channelBindings: () => [binding] };
    expect((await site.signer.enrolment.enrol(request)).deviceId).toBe('child01');
  });

  it('of another connection is refused', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const request = { ...enrolmentOf('child01', token, challenged()), channelBindings: () => ['AAAA'] };
    expect((await problemOf(site.signer.enrolment.enrol(request))).status).toBe(403);
  });
});
