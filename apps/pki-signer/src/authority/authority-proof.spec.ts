import { verify } from 'node:crypto';
import { authorityProof } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { openTestSite, problemOf } from '../signer.fixture.js';
import { proveAuthority } from './authority-proof.js';

const code = 'a3f9b1c47d20e8561b7c';

describe('the proof that the key of a CA is held here', () => {
  it('is a signature that the certificate of the CA verifies, and is written down', async () => {
    await using site = await openTestSite();
    const { signature } = await proveAuthority(site.signer, { id: 'device-1', code }, 'admin');
    const { publicKey } = await site.signer.keys.open('device-1');
    expect(verify('sha256', Buffer.from(code), publicKey, Buffer.from(signature, 'base64'))).toBe(true);
    const { rows } = await site.signer.audit.rows(0, 1000);
    expect(rows.at(-1)).toMatchObject({
      action: 'authority-proved',
      actor: 'admin',
      subject: 'device-1',
      details: { code },
    });
  });

  it('is never given over anything that may be a certificate', () => {
    const der = Buffer.from('3082010a020101', 'hex').toString('latin1');
    for (const text of [der, '0\u0082\u0001\n', 'a b c d e f g', '', 'short', 'x'.repeat(129)])
      expect(authorityProof.safeParse({ id: 'device-1', code: text }).success).toBe(false);
  });

  it('of a CA that is not there is refused', async () => {
    await using site = await openTestSite();
    expect((await problemOf(proveAuthority(site.signer, { id: 'device-9', code }, 'admin'))).type).toBe('not-found');
  });
});
