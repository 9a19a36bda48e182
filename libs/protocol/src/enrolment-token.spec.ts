import { describe, expect, it } from 'vitest';
import { enrolmentSecretOf, formatEnrolmentToken, parseEnrolmentToken } from './enrolment-token.js';
import { fingerprint } from './ids.js';

const secret = '0123456789ABCDEFGHJKMNPQ';
const caFingerprint = fingerprint.parse('00ff'.repeat(16));
const token = `${secret}.AP8A_wD_AP8A_wD_AP8A_wD_AP8A_wD_AP8A_wD_AP8`;

describe('a one-time token', () => {
  it('is the secret and the fingerprint of the CA, 68 characters', () => {
    expect(formatEnrolmentToken({ secret, caFingerprint })).toBe(token);
    expect(token).toHaveLength(68);
  });

  it('can be read back, also with the line end of a file behind it', () => {
    expect(parseEnrolmentToken(`${token}\n`)).toEqual({ secret, caFingerprint });
  });

  it.each([
    ['the secret alone', secret],
    ['a secret with a letter that is easily misread', token.replace('A', 'I')],
    ['a fingerprint that was cut off', token.slice(0, -1)],
    ['something behind it', `${token}.x`],
    ['nothing', ''],
  ])('is not taken as one: %s', (_, text) => {
    expect(() => parseEnrolmentToken(text)).toThrow('The one-time token is not complete');
  });

  it('never stands in the error that refuses it', () => {
    expect(() => parseEnrolmentToken(token.slice(0, -1))).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(secret) }),
    );
  });

  it.each([token, secret])('gives the same secret to the signer, whole or bare', (password) => {
    expect(enrolmentSecretOf(password)).toBe(secret);
  });
});
