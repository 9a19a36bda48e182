import { createPrivateKey } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { authorityId, type ClientCa, connectorRoutes, serialNumber } from '@sallyport/protocol';
import type { TestCa } from '@sallyport/testkit';
import { buildCrl, type CrlOptions, certificatesFromPem } from '@sallyport/x509';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClientCaCrls } from './client-ca-crls.js';
import { ClientCaWatch } from './client-ca-watch.js';
import { ConnectorsUnderTest } from './connectors.fixture.js';

const { updateCrl, changeClientCa, showClientCa } = connectorRoutes;
const revoked = serialNumber.parse('0badbadbad');

describe('the revocation list of a Client CA', () => {
  let site: ConnectorsUnderTest;
  let ca: TestCa;
  let id: string;
  let server: Server;
  let address: string;
  /** What the server of the lists answers. */
  let answer: { status: number; body: Buffer | string; location?: string };

  beforeEach(async () => {
    answer = { status: 404, body: 'none' };
    server = createServer((_, response) => {
      response.writeHead(answer.status, answer.location === undefined ? {} : { location: answer.location });
      response.end(answer.body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const place = server.address();
    address = `http://127.0.0.1:${typeof place === 'object' ? place?.port : 0}/factory.crl`;
    site = await ConnectorsUnderTest.start({ TEDGE_REGISTRY_CRL_HOSTS: '127.0.0.1' });
    ca = await site.authority({ commonName: 'Factory CA' });
    const { document } = await site.alice.addCa(ca.certPem, { crl: { mode: 'hard', url: address } });
    id = document.clientCas[0]?.id ?? '';
    await site.alice.save();
  });
  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve));
    await site.stop();
  });

  const listOf = (authority: TestCa, fields: Partial<CrlOptions> = {}): Buffer => {
    const [issuer] = certificatesFromPem(authority.certPem);
    if (issuer === undefined) throw new Error('the CA has no certificate');
    return Buffer.from(
      buildCrl({
        issuer,
        privateKey: createPrivateKey(authority.certificate.keyPem),
        crlNumber: 7n,
        thisUpdate: new Date('2026-06-01T11:00:00Z'),
        nextUpdate: new Date('2026-06-02T11:00:00Z'),
        entries: [{ serialNumber: revoked, revokedAt: new Date('2026-06-01T10:00:00Z') }],
        ...fields,
      }),
    );
  };
  const upload = (list: Buffer) => ({ params: { id }, body: { crl: { base64: list.toString('base64') } } });
  const inForce = async (): Promise<ClientCa> => (await site.alice.call(showClientCa, { params: { id } })).clientCa;
  const verdict = async (serial: string) => {
    const clientCa = await inForce();
    return site.registry
      .part(ClientCaCrls)
      .verdict(clientCa, { serialNumber: serialNumber.parse(serial), issuer: clientCa.id });
  };
  const setMode = async (mode: string) => {
    await site.alice.call(changeClientCa, { params: { id }, body: { crl: { mode } } });
    await site.alice.save();
  };

  it('counts at once, and tells the listeners', async () => {
    const { version } = await site.directory();
    const { crl } = await site.alice.call(updateCrl, upload(listOf(ca)));
    expect(crl).toMatchObject({ number: '7', revoked: 1, source: 'uploaded', nextUpdate: '2026-06-02T11:00:00.000Z' });
    expect([await verdict(revoked), await verdict('01')]).toEqual(['revoked', 'good']);
    expect((await site.directory()).version).toBe(version + 1);
  });

  it('is read in PEM too, and survives a restart', async () => {
    const text = await ca.revocationList([]);
    site.registry.clock.set(new Date());
    await site.alice.call(updateCrl, { params: { id }, body: { crl: { text } } });
    await site.registry.restart();
    expect(await verdict('01')).toBe('good');
  });

  it('changes nothing when it comes again', async () => {
    const list = listOf(ca);
    await site.alice.call(updateCrl, upload(list));
    const { version } = await site.directory();
    await site.alice.call(updateCrl, upload(list));
    expect((await site.directory()).version).toBe(version);
  });

  it('refuses everybody when it is missing or too old, if the mode is hard', async () => {
    expect(await verdict('01')).toBe('unknown');
    await site.alice.call(updateCrl, upload(listOf(ca)));
    site.registry.clock.set(new Date('2026-06-03T00:00:00Z'));
    expect([await verdict(revoked), await verdict('01')]).toEqual(['revoked', 'unknown']);
  });

  it('refuses only those it names, if the mode is soft, and nobody if it is off', async () => {
    await setMode('soft');
    expect(await verdict('01')).toBe('good');
    await site.alice.call(updateCrl, upload(listOf(ca)));
    site.registry.clock.set(new Date('2026-06-03T00:00:00Z'));
    expect([await verdict(revoked), await verdict('01')]).toEqual(['revoked', 'good']);
    await setMode('off');
    expect(await verdict(revoked)).toBe('good');
  });

  it('says nothing of what an intermediate CA below has issued', async () => {
    await site.alice.call(updateCrl, upload(listOf(ca)));
    const crls = site.registry.part(ClientCaCrls);
    const below = { serialNumber: revoked, issuer: authorityId.parse(`ca:${'1'.repeat(64)}`) };
    expect(await crls.verdict(await inForce(), below)).toBe('unknown');
    await setMode('soft');
    expect(await crls.verdict(await inForce(), below)).toBe('good');
  });

  it('may have more entries than fit into one value of the store', async () => {
    const entries = Array.from({ length: 25_000 }, (_, index) => ({
      serialNumber: serialNumber.parse(`01${index.toString(16).padStart(6, '0')}`),
      revokedAt: new Date('2026-06-01T10:00:00Z'),
    }));
    await site.alice.call(updateCrl, upload(listOf(ca, { entries })));
    expect([await verdict('01000000'), await verdict('010061a7'), await verdict('010061a8')]).toEqual([
      'revoked',
      'revoked',
      'good',
    ]);
    await site.alice.call(updateCrl, upload(listOf(ca, { crlNumber: 8n })));
    expect([await verdict('01000000'), await verdict(revoked)]).toEqual(['good', 'revoked']);
  });

  it.each<[string, Partial<CrlOptions>, string]>([
    [
      'an older number',
      { crlNumber: 6n },
      '409 The revocation list was refused: it has number 6, and the list in force has number 7',
    ],
    ['the same number and other contents', { entries: [] }, '409 The revocation list was refused: it has number 7'],
    [
      'an earlier date',
      { crlNumber: 9n, thisUpdate: new Date('2026-05-01T00:00:00Z') },
      'it was made on 2026-05-01T00:00:00.000Z',
    ],
    ['a date in the future', { crlNumber: 9n, thisUpdate: new Date('2026-06-01T12:06:00Z') }, 'which is in the future'],
  ])('is not replaced by one with %s', async (_case, fields, reason) => {
    await site.alice.call(updateCrl, upload(listOf(ca)));
    expect(await site.alice.refusal(updateCrl, upload(listOf(ca, fields)))).toContain(reason);
    expect(await verdict(revoked)).toBe('revoked');
  });

  it('must be of this CA, with its signature', async () => {
    const twin = await site.authority({ commonName: 'Factory CA' });
    expect(await site.alice.refusal(updateCrl, upload(listOf(twin)))).toContain(
      '400 The revocation list was refused: the Client CA "Factory CA" did not sign it',
    );
    const changed = listOf(ca);
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    expect(await site.alice.refusal(updateCrl, upload(changed))).toContain('did not sign it');
    expect(await site.alice.refusal(updateCrl, upload(Buffer.from('garbage')))).toContain(
      '400 Give one revocation list',
    );
  });

  describe('is fetched', () => {
    const fetchNow = { fetch: true };
    const asked = () => ({ params: { id }, body: fetchNow });
    const setUrl = async (url: string) => {
      await site.alice.call(changeClientCa, { params: { id }, body: { crl: { mode: 'hard', url } } });
      await site.alice.save();
    };

    it('from the address of the CA', async () => {
      answer = { status: 200, body: listOf(ca) };
      const { crl, crlFault } = await site.alice.call(updateCrl, asked());
      expect([crl?.source, crl?.number, crlFault]).toEqual(['fetched', '7', undefined]);
    });

    it.each([
      ['http://localhost:1/x', '403 No revocation list is fetched from localhost'],
      ['http://127.0.0.1.nip.example/x', '403 No revocation list is fetched from 127.0.0.1.nip.example'],
      ['http://169.254.169.254/latest', '403 No revocation list is fetched from 169.254.169.254'],
      ['http://[::1]/x', '403 No revocation list is fetched from ::1'],
    ])('not from %s, a host nobody has allowed', async (url, reason) => {
      await setUrl(url);
      expect(await site.alice.refusal(updateCrl, asked())).toContain(reason);
    });

    it('without following a redirect', async () => {
      answer = { status: 302, body: '', location: 'http://169.254.169.254/' };
      expect(await site.alice.refusal(updateCrl, asked())).toContain('502 The revocation list could not be fetched');
    });

    it('up to 2 MiB', async () => {
      answer = { status: 200, body: Buffer.alloc(2 * 1024 * 1024 + 1) };
      expect(await site.alice.refusal(updateCrl, asked())).toContain('502 The revocation list of 127.0.0.1');
    });

    it('by itself, and again when half of its time is over', async () => {
      const watch = site.registry.part(ClientCaWatch);
      answer = { status: 200, body: listOf(ca) };
      await watch.look();
      expect(await verdict(revoked)).toBe('revoked');

      answer = { status: 200, body: listOf(ca, { crlNumber: 8n, entries: [] }) };
      site.registry.clock.advance(11 * 3600);
      await watch.look();
      expect(await verdict(revoked)).toBe('revoked');
      site.registry.clock.advance(3600);
      await watch.look();
      expect(await verdict(revoked)).toBe('good');
    });

    it('and leaves the one in force when it is not signed by the CA', async () => {
      await site.alice.call(updateCrl, upload(listOf(ca)));
      const twin = await site.authority({ commonName: 'Factory CA' });
      answer = { status: 200, body: listOf(twin, { crlNumber: 9n, entries: [] }) };
      await site.registry.part(ClientCaWatch).look();
      expect(await verdict(revoked)).toBe('revoked');
      const { crlFault } = await site.alice.call(showClientCa, { params: { id } });
      expect(crlFault?.text).toContain('did not sign it');
    });

    it('and says why not, until it works', async () => {
      answer = { status: 404, body: 'no' };
      expect(await site.alice.refusal(updateCrl, asked())).toContain('answered with status 404');
      const { crlFault } = await site.alice.call(showClientCa, { params: { id } });
      expect(crlFault).toMatchObject({ at: '2026-06-01T12:00:00.000Z' });
      answer = { status: 200, body: listOf(ca) };
      await site.alice.call(updateCrl, asked());
      expect(await site.alice.call(showClientCa, { params: { id } })).not.toHaveProperty('crlFault');
    });
  });
});
