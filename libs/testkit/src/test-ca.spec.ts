import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { mustRun } from './run-program.js';
import { keyKinds, TestCa } from './test-ca.js';

describe('throwaway CA', () => {
  it('issues a leaf that openssl verifies for both purposes', async () => {
    await using ca = await TestCa.create();
    const { certPath } = await ca.issue({
      commonName: 'localhost',
      subjectAltNames: ['DNS:localhost', 'IP:127.0.0.1'],
    });
    const verify = (purpose: string) =>
      mustRun('openssl', ['verify', '-purpose', purpose, '-CAfile', ca.certPath, certPath]);
    expect(await verify('sslserver')).toBe(`${certPath}: OK\n`);
    expect(await verify('sslclient')).toBe(`${certPath}: OK\n`);
    expect(new X509Certificate(await readFile(certPath)).subjectAltName).toBe('DNS:localhost, IP Address:127.0.0.1');
  });

  it('puts intermediates between leaf and root, leaf first, root left out', async () => {
    await using root = await TestCa.create({ commonName: 'Root', key: 'P-384' });
    const issuing = await root.intermediate({ commonName: 'Issuing' });
    const { chainPath, chainPem } = await issuing.issue({ commonName: 'child01' });
    expect(chainPem.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    const verified = await mustRun('openssl', ['verify', '-CAfile', root.certPath, '-untrusted', chainPath, chainPath]);
    expect(verified).toBe(`${chainPath}: OK\n`);
  });

  it.each(keyKinds)('makes keys of kind %s', async (key) => {
    await using ca = await TestCa.create();
    const leaf = new X509Certificate((await ca.issue({ key })).certPem);
    const { publicKey } = leaf;
    const bits = publicKey.asymmetricKeyDetails?.modulusLength;
    const curve = publicKey.asymmetricKeyDetails?.namedCurve;
    const names = { prime192v1: 'P-192', prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' };
    const ecName = Object.entries(names).find(([name]) => name === curve)?.[1];
    expect(ecName ?? (bits === undefined ? 'Ed25519' : `RSA ${bits}`)).toBe(key);
  });

  it('dates certificates as it is told, in the past too', async () => {
    await using ca = await TestCa.create();
    const notBefore = new Date('2020-01-01T00:00:00Z');
    const notAfter = new Date('2020-02-01T00:00:00Z');
    const leaf = new X509Certificate((await ca.issue({ notBefore, notAfter })).certPem);
    expect([leaf.validFromDate, leaf.validToDate]).toEqual([notBefore, notAfter]);
  });

  it('makes an expired root when asked', async () => {
    await using ca = await TestCa.create({ notAfter: new Date('2020-02-01T00:00:00Z'), notBefore: new Date(0) });
    expect(new X509Certificate(ca.certPem).validTo).toBe('Feb  1 00:00:00 2020 GMT');
  });

  it('makes an X.509 v1 certificate when there are no extensions', async () => {
    await using ca = await TestCa.create();
    const { certPath } = await ca.issue({ extensions: [] });
    expect(await mustRun('openssl', ['x509', '-noout', '-text', '-in', certPath])).toContain('Version: 1 (0x0)');
  });

  it.each([
    [
      'two common names',
      [
        ['CN', 'a'],
        ['CN', 'b'],
      ],
      'CN=a\nCN=b',
    ],
    ['no common name', [['O', 'thin-edge']], 'O=thin-edge'],
    ['marks that mean something to openssl', [['CN', 'a/b+c\\d']], 'CN=a/b\\+c\\\\d'],
    ['text outside ASCII', [['CN', 'gerät']], 'CN=gerät'],
    ['a line break', [['CN', 'a\nb']], 'CN=a\\0Ab'],
  ] as const)('takes a subject with %s', async (_what, subject, expected) => {
    await using ca = await TestCa.create();
    expect(new X509Certificate((await ca.issue({ subject })).certPem).subject).toBe(expected);
  });

  it.each([
    ['RSA 2048', 'md5', 'md5WithRSAEncryption'],
    ['P-256', 'sha1', 'ecdsa-with-SHA1'],
    ['P-256', 'sha384', 'ecdsa-with-SHA384'],
    ['Ed25519', undefined, 'ED25519'],
  ] as const)('signs with a CA key %s and digest %s', async (key, digest, algorithm) => {
    await using ca = await TestCa.create({ key });
    const { certPath } = await ca.issue(digest === undefined ? {} : { digest });
    const text = await mustRun('openssl', ['x509', '-noout', '-text', '-in', certPath]);
    expect(text).toContain(`Signature Algorithm: ${algorithm}\n`);
  });

  it('leaves the extended key usage out when it is null', async () => {
    await using ca = await TestCa.create();
    expect(new X509Certificate((await ca.issue({ extendedKeyUsage: null })).certPem).keyUsage).toBeUndefined();
  });

  it('removes its files at the end', async () => {
    let certPath = '';
    {
      await using ca = await TestCa.create();
      certPath = ca.certPath;
    }
    await expect(readFile(certPath)).rejects.toThrow('ENOENT');
  });
});
