import { Problem } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { child01, thrownBy } from '../authority.fixture.js';
import {
  certificateProfiles,
  certificatesFromPem,
  checkCertificateRequest,
  derFromPem,
  parseCertificateRequest,
  verifyPossession,
} from '../index.js';
import { type Workbench, withWorkbench } from '../openssl.fixture.js';
import { vector } from '../vectors.fixture.js';

const keys = {
  'EC P-256': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'EC P-384': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  'RSA 2048': ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  'RSA 1024': ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'],
  Ed448: ['-algorithm', 'ED448'],
} as const;

/** Arguments of openssl for each signature algorithm. */
const hashes = {
  SHA256: '-sha256',
  SHA384: '-sha384',
  SHA512: '-sha512',
  sha256: '-sha256',
  sha384: '-sha384',
  sha512: '-sha512',
};

function makeKey({ run, path }: Workbench, kind: keyof typeof keys): string {
  run('openssl', 'genpkey', ...keys[kind], '-out', path('key.pem'));
  return path('key.pem');
}

function sign({ run, path }: Workbench, key: string, ...options: string[]): void {
  run('openssl', 'req', '-new', '-key', key, '-subj', '/CN=child01', '-out', path('csr.pem'), ...options);
}

/** Checks the CSR as the signer does. */
function take({ run }: Workbench): void {
  const [der = Buffer.alloc(0)] = derFromPem(run('cat', 'csr.pem'), 'CERTIFICATE REQUEST');
  const request = parseCertificateRequest(der);
  verifyPossession(request);
  checkCertificateRequest(request, certificateProfiles.device, { deviceId: child01 });
}

const messageOf = (attempt: () => unknown) => {
  const error = thrownBy(attempt);
  return error instanceof Problem ? error.message : String(error);
};

describe('the advice to a request that was signed with a weak hash', () => {
  it.each([
    ['SHA-1', 'EC P-256', ['-sha1'], 3],
    ['SHA-224', 'EC P-384', ['-sha224'], 3],
    ['SHA-1', 'RSA 2048', ['-sha1'], 3],
    ['RSA-PSS', 'RSA 2048', ['-sha256', '-sigopt', 'rsa_padding_mode:pss'], 3],
  ] as const)(
    'is to sign with the same key, and works by every algorithm it names: %s, %s',
    (_hash, kind, options, count) => {
      withWorkbench((bench) => {
        const key = makeKey(bench, kind);
        sign(bench, key, ...options);
        const message = messageOf(() => take(bench));
        const named =
          /Keep the key, and sign the CSR again with it and (.+)\.$/.exec(message)?.[1]?.split(/, | or /) ?? [];
        expect(named).toHaveLength(count);
        for (const algorithm of named) {
          const hash = Object.entries(hashes).find(([name]) => algorithm.includes(name))?.[1] ?? '';
          sign(bench, key, hash);
          expect(() => take(bench)).not.toThrow();
        }
      });
    },
  );
});

describe('the advice to a request with a key that is not taken', () => {
  it.each(['RSA 1024', 'Ed448'] as const)('is to make a new key, and works: %s', (kind) => {
    withWorkbench((bench) => {
      sign(bench, makeKey(bench, kind));
      const message = messageOf(() => take(bench));
      expect(message).toMatch(/; use .*\. Make a new key and send the CSR again\.$/);
      sign(bench, makeKey(bench, 'EC P-256'));
      expect(() => take(bench)).not.toThrow();
    });
  });
});

describe('the advice to a request that asks for too much', () => {
  it.each([
    ['basicConstraints=critical,CA:TRUE', 'ask for CA:FALSE', 'basicConstraints=critical,CA:FALSE'],
    ['keyUsage=digitalSignature,keyCertSign', 'leave it out', 'keyUsage=digitalSignature'],
    [
      'extendedKeyUsage=clientAuth,codeSigning',
      'ask for clientAuth or serverAuth alone',
      'extendedKeyUsage=clientAuth',
    ],
    ['subjectAltName=DNS:child01,DNS:cloud.local', 'leave it out', 'subjectAltName=DNS:child01'],
  ])('to %s is what to ask for instead, and works', (asked, advice, instead) => {
    withWorkbench((bench) => {
      const key = makeKey(bench, 'EC P-256');
      sign(bench, key, '-addext', asked);
      expect(messageOf(() => take(bench))).toContain(advice);
      sign(bench, key, '-addext', instead);
      expect(() => take(bench)).not.toThrow();
    });
  });
});

describe('the advice to what cannot be read', () => {
  it.each([
    [
      'a CSR that is BER',
      () => parseCertificateRequest(Buffer.from('3080', 'hex')),
      'Make it again with a tool that writes DER (X.690).',
    ],
    [
      'something else than a CSR',
      () => parseCertificateRequest(Buffer.from('hello')),
      'Check that this is one whole CSR;',
    ],
    [
      'a CSR that was cut off',
      () => parseCertificateRequest(Buffer.from('30820100', 'hex')),
      'Check that this is one whole CSR;',
    ],
    [
      'a certificate with a negative serial number',
      () => certificatesFromPem(vector('x509/custom/negative_serial.pem').toString()),
      'Have its issuer make it again with a positive serial number of at most 20 octets (RFC 5280 section 4.1.2.2).',
    ],
    [
      'a certificate of version 8',
      () => certificatesFromPem(vector('x509/custom/invalid_version.pem').toString()),
      'Have its issuer make it again with version 3.',
    ],
  ])('fits %s', (_case, attempt, advice) => {
    expect(messageOf(attempt)).toContain(advice);
  });
});
