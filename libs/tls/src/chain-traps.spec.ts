import { describe, expect, it, onTestFinished } from 'vitest';
import { type Forged, forgeCa, forgeDevice, newKeys } from './fixtures/forge.js';
import { get, identity, mutual, Site } from './fixtures/site.js';

const site = new Site(onTestFinished);
const past = new Date(Date.now() - 3600_000);
const future = new Date(Date.now() + 3600_000);

describe('what Node and OpenSSL do with odd chains (specs/connector.md 3.1)', () => {
  it('M11: refuses a chain longer than its path length allows', async () => {
    const root = forgeCa('root', { pathLength: 0 });
    const issuing = forgeCa('issuing', { issuer: root });
    const { port, firstRefusal } = await site.openListener(mutual([root]));

    expect((await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-1', issuing), issuing))).status).toBe(
      403,
    );
    expect((await firstRefusal).reason).toBe('chain-invalid');
  });

  it.each([
    ['an expired leaf', { notAfter: past }, 'certificate-expired'],
    ['a leaf that is not yet valid', { notBefore: future }, 'certificate-not-yet-valid'],
    ['a leaf for servers only', { purposes: ['serverAuth'] }, 'wrong-purpose'],
  ] as const)('M9, M11: refuses %s', async (_, fault, reason) => {
    const ca = forgeCa('fleet');
    const { port, firstRefusal } = await site.openListener(mutual([ca]));

    expect((await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-1', ca, fault)))).status).toBe(403);
    expect(await firstRefusal).toMatchObject({ reason, subject: 'CN=dev-1' });
  });

  it('M11: refuses a valid leaf of an expired intermediate CA', async () => {
    const root = forgeCa('root');
    const issuing = forgeCa('issuing', { issuer: root, notAfter: past });
    const { port, firstRefusal } = await site.openListener(mutual([root]));

    expect((await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-1', issuing), issuing))).status).toBe(
      403,
    );
    expect((await firstRefusal).reason).toBe('issuer-expired');
  });

  it.each([
    ['alone', (_: Forged, renewed: Forged) => [renewed]],
    ['behind the expired one', (expired: Forged, renewed: Forged) => [expired, renewed]],
  ])('M11: admits a leaf whose intermediate CA was renewed with the same key, when that comes %s', async (_, chain) => {
    const root = forgeCa('root');
    const [keys, hour] = [newKeys(), 3_600_000];
    const former = forgeCa('issuing', { issuer: root, keys, notAfter: new Date(Date.now() + hour) });
    const renewed = forgeCa('issuing', { issuer: root, keys });
    const leaf = forgeDevice('dev-1', former);
    const clock = { now: new Date() };
    const { port } = await site.openListener(mutual([root]), { now: () => clock.now });
    expect((await get(`https://127.0.0.1:${port}/a`, identity(leaf, former))).status).toBe(200);

    clock.now = new Date(Date.now() + 2 * hour);

    expect((await get(`https://127.0.0.1:${port}/b`, identity(leaf, ...chain(former, renewed)))).status).toBe(200);
  });

  it('M11: refuses a device once the trusted CA that issued it has expired, though it was known before', async () => {
    const ca = forgeCa('fleet');
    const device = identity(forgeDevice('dev-1', ca, { notAfter: new Date('2049-12-31T23:59:59Z') }));
    const clock = { now: new Date() };
    const { port, firstRefusal } = await site.openListener(mutual([ca]), { now: () => clock.now });
    expect((await get(`https://127.0.0.1:${port}/a`, device)).status).toBe(200);

    clock.now = new Date(ca.certificate.notAfter.getTime() + 1000);

    expect((await get(`https://127.0.0.1:${port}/b`, device)).status).toBe(403);
    expect((await firstRefusal).reason).toBe('issuer-expired');
  });

  it('M12: holds names with a dot against a DNS constraint as OpenSSL does, and those without one too', async () => {
    const root = forgeCa('root');
    const issuing = forgeCa('issuing', { issuer: root, permittedDns: 'site.example' });
    const { port, refusals } = await site.openListener(mutual([root]));

    const asking = (name: string) => get(`https://127.0.0.1:${port}/a`, identity(forgeDevice(name, issuing), issuing));

    expect((await asking('dev-1.site.example')).status).toBe(200);
    expect((await asking('x.other.example')).status).toBe(403);
    expect((await asking('dev-1')).status).toBe(403);
    expect(refusals.map(({ reason }) => reason)).toEqual(['name-constrained', 'name-constrained']);
  });

  it('M13: refuses a chain whose intermediate is missing, and says so', async () => {
    const root = forgeCa('root');
    const issuing = forgeCa('issuing', { issuer: root });
    const { port, firstRefusal } = await site.openListener(mutual([root]));

    expect((await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-1', issuing)))).status).toBe(403);
    expect(await firstRefusal).toMatchObject({
      reason: 'issuer-unknown',
      detail: expect.stringContaining(
        'issuer "CN=issuing" is not trusted here; if it is an intermediate CA, the client has to send its certificate',
      ),
    });
  });

  it('M13: admits it when the intermediate is among the trusted CAs', async () => {
    const root = forgeCa('root');
    const issuing = forgeCa('issuing', { issuer: root });
    const { port } = await site.openListener(mutual([root, issuing]));

    expect((await get(`https://127.0.0.1:${port}/a`, identity(forgeDevice('dev-1', issuing)))).status).toBe(200);
  });
});
