import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  child01Uri,
  ecKeyPair,
  leafIssuer,
  leafRequest,
  makeIssuing,
  makeRoot,
  makeSite,
  now,
} from './authority.fixture.js';
import {
  buildCertificateRequest,
  buildCrl,
  certificateProfiles,
  decodeCertsOnly,
  derFromPem,
  encodeCertsOnly,
  exportPkcs12,
  parseCertificate,
  parseCertificateRequest,
  parseCrl,
  pemFromDer,
  selfSignedDeviceCertificate,
  verifyCrlSignedBy,
  verifyPossession,
  verifySignedBy,
} from './index.js';
import { type Workbench, withWorkbench } from './openssl.fixture.js';

const atNow = ['-attime', String(now.getTime() / 1000)];
const putCertificate = ({ put }: Workbench, name: string, { der }: { der: Buffer }) =>
  put(name, pemFromDer('CERTIFICATE', der));
const putKey = ({ put }: Workbench, name: string, key: KeyObject) =>
  put(name, key.export({ type: 'pkcs8', format: 'pem' }).toString());

describe('openssl verifies what we issue, by its strict rules', () => {
  const caKeys = {
    'EC P-256': () => ecKeyPair(),
    'EC P-384': () => ecKeyPair('P-384'),
    Ed25519: () => generateKeyPairSync('ed25519'),
    'RSA 2048': () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  } as const;

  it.each(['EC P-256', 'EC P-384', 'Ed25519', 'RSA 2048'] as const)(
    'a device below an issuing CA with a key %s',
    (kind) => {
      const root = makeRoot();
      const issuing = makeIssuing(root, caKeys[kind]());
      const { certificate } = leafIssuer(issuing).issue(leafRequest());
      withWorkbench((bench) => {
        const chain = ['-CAfile', putCertificate(bench, 'root.pem', root.certificate)];
        const untrusted = ['-untrusted', putCertificate(bench, 'issuing.pem', issuing.certificate)];
        const leaf = putCertificate(bench, 'leaf.pem', certificate);
        const rules = ['-x509_strict', '-check_ss_sig', '-purpose', 'sslclient', ...atNow];
        expect(bench.run('openssl', 'verify', ...rules, ...chain, ...untrusted, leaf)).toContain('leaf.pem: OK');
      });
    },
  );

  it.each(['service', 'server'] as const)('a TLS server of profile %s by its host name', (name) => {
    const root = makeRoot();
    const issuing = makeIssuing(root);
    const host = { type: 'dns', value: 'gw.example' } as const;
    const request = leafRequest({ subjectAltNames: [child01Uri, host] });
    const { certificate } = leafIssuer(issuing, certificateProfiles[name]).issue(request);
    withWorkbench((bench) => {
      const chain = ['-CAfile', putCertificate(bench, 'root.pem', root.certificate)];
      const untrusted = ['-untrusted', putCertificate(bench, 'issuing.pem', issuing.certificate)];
      const rules = ['-x509_strict', '-purpose', 'sslserver', '-verify_hostname', 'gw.example', ...atNow];
      const leaf = putCertificate(bench, 'leaf.pem', certificate);
      expect(bench.run('openssl', 'verify', ...rules, ...chain, ...untrusted, leaf)).toContain('leaf.pem: OK');
    });
  });

  it('a device that signed for itself', () => {
    const { privateKey } = ecKeyPair();
    const der = selfSignedDeviceCertificate({
      privateKey,
      commonName: 'gw',
      notBefore: now,
      notAfter: new Date('2027-01-01Z'),
    });
    withWorkbench((bench) => {
      const file = putCertificate(bench, 'gw.pem', { der });
      expect(bench.run('openssl', 'verify', ...atNow, '-CAfile', file, file)).toContain('gw.pem: OK');
      expect(bench.run('openssl', 'x509', '-in', file, '-noout', '-ext', 'basicConstraints')).toContain('CA:TRUE\n');
    });
  });
});

describe('openssl and certtool read what we make', () => {
  const { root, issuing, device } = makeSite();

  it('a certificate, field by field', () => {
    withWorkbench((bench) => {
      const file = putCertificate(bench, 'leaf.pem', device.certificate);
      const text = bench.run(
        'openssl',
        'x509',
        '-in',
        file,
        '-noout',
        '-text',
        '-fingerprint',
        '-sha256',
        '-nameopt',
        'RFC2253',
      );
      expect(text).toContain('Subject: CN=child01,O=Test');
      expect(text).toContain('Not After : Feb 20 12:00:00 2027 GMT');
      expect(text).toContain('X509v3 Basic Constraints: critical\n                CA:FALSE');
      expect(text).toContain('X509v3 Key Usage: critical\n                Digital Signature');
      expect(text).toContain('X509v3 Extended Key Usage: \n                TLS Web Client Authentication');
      expect(text).toContain('URI:spiffe://sallyport.local/device/child01');
      expect(text).toContain('URI:http://ca.test/issuing.crl');
      expect(text).toContain('CA Issuers - URI:http://ca.test/issuing.cer');
      expect(text.replaceAll(':', '').toLowerCase()).toContain(device.certificate.fingerprint);
    });
  });

  it('a chain, as GnuTLS verifies it today', () => {
    const today = makeSite(new Date());
    withWorkbench((bench) => {
      const anchor = putCertificate(bench, 'root.pem', today.root.certificate);
      const chain = bench.put(
        'chain.pem',
        [today.device, today.issuing].map(({ certificate }) => pemFromDer('CERTIFICATE', certificate.der)).join(''),
      );
      const text = bench.run('certtool', '--verify', '--load-ca-certificate', anchor, '--infile', chain);
      expect(text).toContain('Chain verification output: Verified. The certificate is trusted.');
    });
  });

  it('a request, with its signature', () => {
    const request = buildCertificateRequest({
      privateKey: device.privateKey,
      commonName: 'child01',
      subjectAltNames: [child01Uri],
      challengePassword: 'secret',
    });
    withWorkbench((bench) => {
      const file = bench.put('request.pem', pemFromDer('CERTIFICATE REQUEST', request));
      const text = bench.run('openssl', 'req', '-in', file, '-noout', '-text', '-verify');
      expect(text).toContain('Certificate request self-signature verify OK');
      expect(text).toContain('challengePassword        :secret');
      expect(text).toContain('URI:spiffe://sallyport.local/device/child01');
    });
  });

  it('a CRL, which then refuses the revoked device', () => {
    const crl = (entries: Parameters<typeof buildCrl>[0]['entries']) =>
      buildCrl({
        issuer: issuing.certificate,
        privateKey: issuing.privateKey,
        entries,
        crlNumber: 7n,
        thisUpdate: now,
        nextUpdate: new Date('2026-11-29T12:00:00Z'),
      });
    const { serialNumber } = device.certificate;
    withWorkbench((bench) => {
      const trust = ['-CAfile', putCertificate(bench, 'root.pem', root.certificate), ...atNow];
      const untrusted = ['-untrusted', putCertificate(bench, 'issuing.pem', issuing.certificate)];
      const leaf = putCertificate(bench, 'leaf.pem', device.certificate);
      const empty = bench.put('empty.pem', pemFromDer('X509 CRL', crl([])));
      const full = bench.put(
        'full.pem',
        pemFromDer('X509 CRL', crl([{ serialNumber, revokedAt: now, reason: 'superseded' }])),
      );
      const check = (file: string) =>
        bench.run('openssl', 'verify', '-crl_check', '-CRLfile', file, ...trust, ...untrusted, leaf);
      expect(check(empty)).toContain('leaf.pem: OK');
      expect(() => check(full)).toThrow('certificate revoked');
      expect(bench.run('openssl', 'crl', '-in', full, '-noout', '-text')).toContain('Superseded');
    });
  });

  it('a certs-only message', () => {
    const message = encodeCertsOnly([device.certificate.der, issuing.certificate.der]);
    withWorkbench((bench) => {
      const file = bench.put('chain.p7', message);
      const text = bench.run('openssl', 'pkcs7', '-inform', 'DER', '-in', file, '-print_certs');
      expect(derFromPem(text, 'CERTIFICATE')).toEqual([device.certificate.der, issuing.certificate.der]);
    });
  });

  it('PKCS #12, as GnuTLS opens it', () => {
    const { privateKey, certificate } = device;
    const der = exportPkcs12({ privateKey, certificates: [certificate, issuing.certificate], password: 'secret' });
    withWorkbench((bench) => {
      const file = bench.put('bundle.p12', der);
      const text = bench.run('certtool', '--p12-info', '--inder', '--infile', file, '--password', 'secret');
      expect(text).toContain(pemFromDer('CERTIFICATE', certificate.der));
      expect(text).toContain('-----BEGIN ENCRYPTED PRIVATE KEY-----');
    });
  });
});

describe('we read what openssl makes', () => {
  it.each([
    ['EC P-256', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], 'ecdsa-with-SHA256'],
    ['EC P-384', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384'], 'ecdsa-with-SHA256'],
    ['Ed25519', ['-newkey', 'ed25519'], 'Ed25519'],
    ['RSA 2048', ['-newkey', 'rsa:2048'], 'sha256WithRSAEncryption'],
    ['RSA 3072 and SHA-512', ['-newkey', 'rsa:3072', '-sha512'], 'sha512WithRSAEncryption'],
  ])('requests and self-signed certificates with %s', (_kind, options, signatureAlgorithm) => {
    withWorkbench((bench) => {
      const key = ['-nodes', '-keyout', bench.path('key.pem'), '-subj', '/O=Acme/CN=child01'];
      const names = ['-addext', 'subjectAltName=DNS:child01.example,IP:2001:db8::1,URI:urn:a:b'];
      bench.run('openssl', 'req', '-new', ...options, ...key, ...names, '-out', bench.path('request.pem'));
      const [der = Buffer.alloc(0)] = derFromPem(
        readFileSync(bench.path('request.pem'), 'utf8'),
        'CERTIFICATE REQUEST',
      );
      const request = parseCertificateRequest(der);
      verifyPossession(request);
      expect(request.signatureAlgorithm).toBe(signatureAlgorithm);
      expect(request.subject.text).toBe('CN=child01,O=Acme');
      expect(request.subjectAltNames).toEqual([
        { type: 'dns', value: 'child01.example' },
        { type: 'ip', value: '2001:db8::1' },
        { type: 'uri', value: 'urn:a:b' },
      ]);
      bench.run(
        'openssl',
        'req',
        '-x509',
        '-in',
        bench.path('request.pem'),
        '-key',
        bench.path('key.pem'),
        '-out',
        bench.path('self.pem'),
      );
      const [self = Buffer.alloc(0)] = derFromPem(readFileSync(bench.path('self.pem'), 'utf8'), 'CERTIFICATE');
      const certificate = parseCertificate(self);
      expect(certificate.spki).toEqual(request.spki);
      expect(verifySignedBy(certificate, certificate)).toBe(true);
    });
  });

  it.each([
    ['an RSA key', ['rsa:2048']],
    ['a key for PSS only', ['rsa-pss', '-pkeyopt', 'rsa_keygen_bits:2048']],
  ])('RSA-PSS certificates with %s, signature included, but no such request', (_kind, [algorithm = '', ...options]) => {
    withWorkbench((bench) => {
      const key = ['-newkey', algorithm, ...options, '-nodes', '-keyout', bench.path('key.pem'), '-subj', '/CN=a'];
      const padding = ['-sigopt', 'rsa_padding_mode:pss', '-sha256'];
      bench.run('openssl', 'req', '-x509', ...key, ...padding, '-out', bench.path('a.pem'));
      const [der = Buffer.alloc(0)] = derFromPem(readFileSync(bench.path('a.pem'), 'utf8'), 'CERTIFICATE');
      const certificate = parseCertificate(der);
      expect(certificate.signatureAlgorithm).toBe('rsassaPss-SHA256');
      expect(verifySignedBy(certificate, certificate)).toBe(true);
      bench.run('openssl', 'req', '-new', ...key, ...padding, '-out', bench.path('request.pem'));
      const [request = der] = derFromPem(readFileSync(bench.path('request.pem'), 'utf8'), 'CERTIFICATE REQUEST');
      expect(() => verifyPossession(parseCertificateRequest(request))).toThrow('which is not accepted');
    });
  });

  it('a message with certificates from openssl crl2pkcs7', () => {
    const { issuing, device } = makeSite();
    withWorkbench((bench) => {
      const pem = bench.put(
        'chain.pem',
        pemFromDer('CERTIFICATE', device.certificate.der) + pemFromDer('CERTIFICATE', issuing.certificate.der),
      );
      bench.run('openssl', 'crl2pkcs7', '-nocrl', '-certfile', pem, '-outform', 'DER', '-out', bench.path('out.p7'));
      expect(decodeCertsOnly(readFileSync(bench.path('out.p7')))).toEqual([
        device.certificate.der,
        issuing.certificate.der,
      ]);
    });
  });

  it('a CRL from openssl ca, with its signature', () => {
    const { issuing, device } = makeSite();
    withWorkbench((bench) => {
      const ca = [
        '-keyfile',
        putKey(bench, 'ca.key', issuing.privateKey),
        '-cert',
        putCertificate(bench, 'ca.pem', issuing.certificate),
      ];
      const serial = device.certificate.serialNumber.toUpperCase();
      bench.put('index.txt', `R\t270220120000Z\t261122120000Z,keyCompromise\t${serial}\tunknown\t/CN=child01\n`);
      bench.put('number', '0A\n');
      const config = bench.put(
        'ca.conf',
        '[ca]\ndefault_ca=it\n[it]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=7\ncrl_extensions=crl\n[crl]\nauthorityKeyIdentifier=keyid\n',
      );
      bench.run('openssl', 'ca', '-config', config, '-gencrl', ...ca, '-out', bench.path('crl.pem'));
      const [der = Buffer.alloc(0)] = derFromPem(readFileSync(bench.path('crl.pem'), 'utf8'), 'X509 CRL');
      const crl = parseCrl(der);
      expect(crl.crlNumber).toBe(10n);
      expect(crl.entries).toEqual([
        {
          serialNumber: device.certificate.serialNumber,
          revokedAt: new Date('2026-11-22T12:00:00Z'),
          reason: 'keyCompromise',
        },
      ]);
      expect(verifyCrlSignedBy(crl, issuing.certificate)).toBe(true);
    });
  });
});
