import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { makeSite, thrownBy } from '../authority.fixture.js';
import { exportPkcs12, importBundle, pemFromDer } from '../index.js';

const { device, issuing, root } = makeSite();
const { privateKey } = device;
const pemOf = (...identities: { certificate: { der: Buffer } }[]) =>
  identities.map(({ certificate }) => pemFromDer('CERTIFICATE', certificate.der)).join('');
const plainKey = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const encryptedKey = privateKey
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
  .toString();

describe('importing what was made elsewhere', () => {
  it.each([
    ['PKCS #8', plainKey, undefined],
    ['encrypted PKCS #8', encryptedKey, 'secret'],
    ['SEC 1', privateKey.export({ type: 'sec1', format: 'pem' }).toString(), undefined],
    [
      'encrypted SEC 1',
      privateKey.export({ type: 'sec1', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'secret' }).toString(),
      'secret',
    ],
  ])('reads PEM with a key in %s and puts its certificate first', (_form, key, password) => {
    const bundle = importBundle(Buffer.from(`${pemOf(root, issuing, device)}\n${key}`), password);
    expect(bundle.privateKey?.equals(privateKey)).toBe(true);
    expect(bundle.certificates).toEqual([device.certificate, root.certificate, issuing.certificate]);
  });

  it('reads an RSA key in the older form', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const pem = rsa.export({ type: 'pkcs1', format: 'pem' });
    expect(importBundle(Buffer.from(pem)).privateKey?.equals(rsa)).toBe(true);
  });

  it('reads PEM with certificates only, and a password that is not needed', () => {
    expect(importBundle(Buffer.from(pemOf(issuing, root)), 'unused')).toEqual({
      certificates: [issuing.certificate, root.certificate],
    });
  });

  it('reads PKCS #12', () => {
    const der = exportPkcs12({
      privateKey,
      certificates: [device.certificate, issuing.certificate],
      password: 'secret',
    });
    expect(importBundle(der, 'secret').certificates).toEqual([device.certificate, issuing.certificate]);
  });

  it('reads one certificate in DER', () => {
    expect(importBundle(root.certificate.der)).toEqual({ certificates: [root.certificate] });
  });

  it.each([
    ['a wrong password for the key', encryptedKey, 'Secret', 'The password does not open the private key'],
    ['an empty password for the key', encryptedKey, '', 'The password does not open the private key'],
    ['no password for the key', encryptedKey, undefined, 'The private key is encrypted. Give its password.'],
    ['a key that is damaged', plainKey.replace(/^MI/m, 'MJ'), undefined, 'The private key cannot be read'],
    ['two keys', plainKey + plainKey, undefined, 'The file holds 2 private keys'],
    [
      'neither key nor certificate',
      '-----BEGIN X509 CRL-----\nAAEC\n-----END X509 CRL-----\n',
      undefined,
      'holds neither',
    ],
    ['no file of this kind', 'hello', undefined, 'is neither PEM, nor PKCS #12, nor a certificate'],
    ['nothing', '', undefined, 'is neither PEM, nor PKCS #12, nor a certificate'],
  ])('says clearly what is wrong: %s', (_case, content, password, reason) => {
    const error = thrownBy(() => importBundle(Buffer.from(content), password));
    expect(error).toMatchObject({ type: 'invalid-request', message: expect.stringContaining(reason) });
  });

  it('asks for the password of PKCS #12', () => {
    const der = exportPkcs12({ privateKey, certificates: [device.certificate], password: 'secret' });
    expect(() => importBundle(der)).toThrow('The file is PKCS #12, which is encrypted. Give its password.');
  });

  it('never puts the password into an error', () => {
    const error = thrownBy(() => importBundle(Buffer.from(encryptedKey), 'hunter2-hunter2'));
    expect(String(error)).not.toContain('hunter2');
  });
});
