import { describe, expect, it } from 'vitest';
import { encodeCsrAttributes } from '../index.js';

describe('EST csrattrs (RFC 7030 §4.5.2)', () => {
  it('equals the example of RFC 8951 for the same wishes', () => {
    const der = encodeCsrAttributes({
      challengePassword: true,
      curve: 'P-384',
      extensions: ['1.3.6.1.1.1.1.22'],
      signatureAlgorithm: 'ecdsa-with-SHA384',
    });
    expect(der.toString('base64')).toBe(
      'MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiMBYGCSqGSIb3DQEJDjEJBgcrBgEBAQEWBggqhkjOPQQDAw==',
    );
  });

  it('asks for a P-256 key and SHA-256', () => {
    const der = encodeCsrAttributes({ curve: 'P-256', signatureAlgorithm: 'ecdsa-with-SHA256' });
    expect(der.toString('hex')).toBe('3021301506072a8648ce3d0201310a06082a8648ce3d03010706082a8648ce3d040302');
  });

  it('is an empty sequence when nothing is asked for', () => {
    expect(encodeCsrAttributes({}).toString('base64')).toBe('MAA=');
  });

  it('refuses an extension that is not a dotted identifier', () => {
    expect(() => encodeCsrAttributes({ extensions: ['keyUsage'] })).toThrow(
      '"keyUsage" is not a dotted object identifier',
    );
  });
});
