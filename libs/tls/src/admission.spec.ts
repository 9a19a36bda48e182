import type { IncomingMessage, ServerResponse } from 'node:http';
import { deviceId } from '@sallyport/protocol';
import { authorityIdOf } from '@sallyport/x509';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Forged, forgeCa, forgeDevice } from './fixtures/forge.js';
import { admitAll, get, identity, mutual, recordingAdmission, Site, serverOnly } from './fixtures/site.js';
import { type AdmissionPort, makeTrustAnchors, peerOf, type SecuritySettings } from './index.js';

const site = new Site(onTestFinished);

/** Answers who the listener says is asking. */
const whoAmI = {
  http: (request: IncomingMessage, response: ServerResponse) => {
    const peer = peerOf(request);
    const isOurs = peer?.credential.kind === 'certificate' && peer.credential.issuedHere;
    response.end(peer === undefined ? 'nobody' : `${peer.kind} ${peer.deviceId} ${isOurs ? 'ours' : 'foreign'}`);
  },
};

const ownHierarchy = (ca: Forged): SecuritySettings =>
  mutual([ca], {
    ca: makeTrustAnchors([{ name: 'ca.pem', certificate: ca.certificate }], {
      ownIssuers: new Set([ca.certificate.fingerprint]),
    }),
  });

describe('admission of a verified peer', () => {
  it('is asked with everything the registry needs to know', async () => {
    const ca = forgeCa('fleet');
    const device = forgeDevice('dev-1', ca);
    const admission = recordingAdmission();
    const { port } = await site.openListener(mutual([ca]), { admission });

    await get(`https://127.0.0.1:${port}/`, identity(device));

    expect(admission.requests).toEqual([
      {
        fingerprint: device.certificate.fingerprint,
        deviceId: 'dev-1',
        issuerFingerprint: ca.certificate.fingerprint,
        knownIssuerFingerprints: [ca.certificate.fingerprint],
        authorities: [authorityIdOf(ca.certificate)],
        authorityName: 'CN=fleet',
        serialNumber: device.certificate.serialNumber,
        issuedHere: false,
        kind: 'device',
        notBefore: device.certificate.notBefore.toISOString(),
        notAfter: device.certificate.notAfter.toISOString(),
        entrance: 'agent',
        remoteAddress: '127.0.0.1',
      },
    ]);
  });

  it('names the CA that signed the leaf, not the root above it', async () => {
    const root = forgeCa('root');
    const issuing = forgeCa('issuing', { issuer: root });
    const admission = recordingAdmission();
    const { port } = await site.openListener(ownHierarchy(root), { admission });

    await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-1', issuing), issuing));

    expect(admission.requests[0]).toMatchObject({
      issuerFingerprint: issuing.certificate.fingerprint,
      issuedHere: true,
    });
  });

  it('lets the request of an admitted peer through, sent before the answer was there', async () => {
    const ca = forgeCa('fleet');
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const seen: string[] = [];
    const admission: AdmissionPort = {
      admit: async (request) => {
        asked.resolve();
        await answer.promise;
        return admitAll.admit(request);
      },
    };
    const { port } = await site.openListener(mutual([ca]), {
      admission,
      handler: {
        http: (request, response) => {
          seen.push(request.url ?? '');
          response.end();
        },
      },
    });

    const response = get(`https://127.0.0.1:${port}/early`, identity(forgeDevice('dev-1', ca)));
    await asked.promise;
    expect(seen).toEqual([]);
    answer.resolve();

    expect((await response).status).toBe(200);
    expect(seen).toEqual(['/early']);
  });

  it('keeps every byte of a refused peer from the handler, and reports who it was', async () => {
    const ca = forgeCa('fleet');
    const device = forgeDevice('dev-1', ca);
    const seen: unknown[] = [];
    const { listener, port, firstRefusal } = await site.openListener(mutual([ca]), {
      admission: { admit: async () => ({ outcome: 'refused', reason: 'device-locked' }) },
      handler: { http: (request) => seen.push(request.url) },
    });

    expect((await get(`https://127.0.0.1:${port}/`, identity(device))).status).toBe(403);

    expect(await firstRefusal).toEqual({
      reason: 'device-locked',
      remoteAddress: '127.0.0.1',
      subject: 'CN=dev-1',
      fingerprint: device.certificate.fingerprint,
    });
    expect(seen).toEqual([]);
    expect([...listener.refusalCounts]).toEqual([['device-locked', 1]]);
    expect(listener.sessions).toEqual([]);
  });

  it.each<[string, AdmissionPort['admit']]>([
    ['does not answer in time', () => new Promise(() => {})],
    ['fails', () => Promise.reject(new Error('broker gone'))],
    [
      'throws',
      () => {
        throw new Error('no broker yet');
      },
    ],
  ])('fails closed when the registry %s', async (_, admit) => {
    const ca = forgeCa('fleet');
    const { port, firstRefusal } = await site.openListener(mutual([ca]), {
      admission: { admit },
      limits: { admissionMs: 50 },
    });

    expect((await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-1', ca)))).status).toBe(503);
    expect((await firstRefusal).reason).toBe('admission-unavailable');
  });

  it('serves 50 first connections at the same time', async () => {
    const ca = forgeCa('fleet');
    const device = identity(forgeDevice('dev-1', ca));
    const { listener, port, refusals } = await site.openListener(mutual([ca]));

    const answers = await Promise.all(Array.from({ length: 50 }, () => get(`https://127.0.0.1:${port}/a`, device)));

    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 200));
    expect(listener.counters).toMatchObject({ handshakes: 50, established: 50 });
    expect(refusals).toEqual([]);
  });
});

describe('the kind of a peer', () => {
  const adminUri = { uris: ['spiffe://sallyport.local/admin/alice'] };

  it('comes from the identity URI when our own hierarchy issued the certificate', async () => {
    const ca = forgeCa('ours');
    const { port } = await site.openListener(ownHierarchy(ca), { handler: whoAmI });

    const answer = await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('alice', ca, adminUri)));

    expect(answer.body).toBe('admin alice ours');
  });

  it('is device for everything a foreign CA issued, whatever it wrote', async () => {
    const ca = forgeCa('vendor');
    const { port } = await site.openListener(mutual([ca]), { handler: whoAmI });

    const answer = await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('alice', ca, adminUri)));

    expect(answer.body).toBe('device alice foreign');
  });

  it('keeps a device out of an entrance for administrators, and the registry is not asked', async () => {
    const ca = forgeCa('vendor');
    const admission = recordingAdmission();
    const { port, firstRefusal } = await site.openListener(mutual([ca]), {
      admission,
      permittedKinds: new Set(['admin']),
    });

    expect((await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('alice', ca, adminUri)))).status).toBe(403);
    expect((await firstRefusal).reason).toBe('not-permitted');
    expect(admission.requests).toEqual([]);
  });

  it('keeps a peer out when the registry makes it another one than may pass', async () => {
    const ca = forgeCa('vendor');
    const { port, firstRefusal } = await site.openListener(mutual([ca]), {
      permittedKinds: new Set(['device']),
      admission: { admit: async ({ deviceId }) => ({ outcome: 'admitted', deviceId, kind: 'admin' }) },
    });

    expect((await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-1', ca)))).status).toBe(403);
    expect((await firstRefusal).reason).toBe('not-permitted');
  });

  it('and its name are what the registry says in the end', async () => {
    const ca = forgeCa('vendor');
    const { port } = await site.openListener(mutual([ca]), {
      handler: whoAmI,
      admission: { admit: async () => ({ outcome: 'admitted', deviceId: deviceId.parse('dev-1'), kind: 'service' }) },
    });

    expect((await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('DEV-1', ca)))).body).toBe(
      'service dev-1 foreign',
    );
  });
});

describe('a listener with optional client certificates', () => {
  const optional = (ca: Forged) => mutual([ca], { clientCertificate: 'optional' });

  it('serves a client without one, as nobody', async () => {
    const { listener, port } = await site.openListener(optional(forgeCa('fleet')), { handler: whoAmI });

    expect((await get(`https://127.0.0.1:${port}/`)).body).toBe('nobody');
    expect(listener.level).toBe('server');
  });

  it('serves a client with a good one, by its name', async () => {
    const ca = forgeCa('fleet');
    const { port } = await site.openListener(optional(ca), { handler: whoAmI });

    expect((await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-1', ca)))).body).toBe(
      'device dev-1 foreign',
    );
  });

  it.each([
    ['expired', { notAfter: new Date(Date.now() - 1000) }, 'certificate-expired'],
    ['of an unknown CA', { issuer: forgeCa('stranger') }, 'issuer-unknown'],
  ] as const)('refuses a client with one that is %s, rather than serve it as nobody', async (_, fault, reason) => {
    const ca = forgeCa('fleet');
    const { port, firstRefusal } = await site.openListener(optional(ca));

    expect((await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-1', ca, fault)))).status).toBe(403);
    expect((await firstRefusal).reason).toBe(reason);
  });
});

describe('a listener without client certificates', () => {
  it('knows nobody, even a client that has one', async () => {
    const { port } = await site.openListener(serverOnly(), { handler: whoAmI });

    expect((await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-1', forgeCa('fleet'))))).body).toBe(
      'nobody',
    );
  });
});

describe('a client without a certificate, where one is required', () => {
  it.each([
    ['TLSv1.3', 'alert certificate required'],
    ['TLSv1.2', 'alert handshake failure'],
  ] as const)('is told so by a TLS alert over %s', async (maxVersion, alert) => {
    const { port, firstRefusal } = await site.openListener(mutual([forgeCa('fleet')]));

    await expect(get(`https://127.0.0.1:${port}/`, { maxVersion })).rejects.toThrow(alert);
    expect((await firstRefusal).reason).toBe('no-certificate');
  });
});
