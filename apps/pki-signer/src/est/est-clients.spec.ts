import { writeFile } from 'node:fs/promises';
import { enrolIdentity, renewIdentity } from '@sallyport/identity';
import { mustRun, runProgram } from '@sallyport/testkit';
import {
  buildCertificateRequest,
  certificatesFromPem,
  decodeCertsOnly,
  derFromPem,
  parseCertificate,
  pemFromDer,
} from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { csrFor, id, newKey } from '../signer.fixture.js';
import { ask, basic, type OpenEstEntrance, openEstEntrance, post } from './est-entrance.fixture.js';

const verified = (entrance: OpenEstEntrance, chainPath: string) =>
  mustRun('openssl', ['verify', '-x509_strict', '-CAfile', entrance.rootPath, '-untrusted', chainPath, chainPath]);

describe('strongSwan pki', () => {
  const makeKeyAndRequest = async (entrance: OpenEstEntrance, name: string, dn: string) => {
    const [key, csr] = [entrance.file(`${name}.key.der`), entrance.file(`${name}.csr.der`)];
    await mustRun('openssl', [
      'genpkey',
      '-algorithm',
      'EC',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-outform',
      'DER',
      '-out',
      key,
    ]);
    await writeBinary(csr, 'pki', ['--req', '--in', key, '--type', 'ecdsa', '--dn', dn]);
    return { key, csr };
  };

  const writeBinary = async (path: string, program: string, args: readonly string[]) => {
    await mustRun('sh', ['-c', 'out=$1; shift; exec "$@" > "$out"', 'sh', path, program, ...args]);
  };

  it('fetches the CA certificates, enrols with a token and renews with a new key', async () => {
    await using entrance = await openEstEntrance();
    const token = await entrance.site.token({ deviceId: 'child01' });
    const server = ['--url', entrance.url, '--cacert', entrance.rootPath, '--outform', 'pem'];
    const first = await makeKeyAndRequest(entrance, 'first', 'CN=child01');
    const login = ['--userpass', `child01:${token}`];
    const enrolled = await mustRun('pki', ['--est', ...server, '--in', first.csr, ...login]);
    const [leaf] = certificatesFromPem(enrolled);
    expect(leaf?.subject.text).toBe('CN=child01,O=Test Site');
    await writeFile(entrance.file('leaf.pem'), enrolled);

    const second = await makeKeyAndRequest(entrance, 'second', 'O=Test Site, CN=child01');
    const proof = ['--cert', entrance.file('leaf.pem'), '--key', first.key];
    const renewed = await mustRun('pki', ['--est', ...server, '--in', second.csr, ...proof]);
    const [successor] = certificatesFromPem(renewed);
    expect(successor?.subject.der).toEqual(leaf?.subject.der);
    expect(successor?.spki).not.toEqual(leaf?.spki);
  });

  it('reads the CA certificates', async () => {
    await using entrance = await openEstEntrance();
    const out = entrance.file('ca');
    await mustRun('pki', [
      '--estca',
      '--url',
      entrance.url,
      '--cacert',
      entrance.rootPath,
      '--outform',
      'pem',
      '--caout',
      out,
    ]);
    const files = (await mustRun('sh', ['-c', 'cat "$1"*', 'sh', out])).match(/BEGIN CERTIFICATE/g);
    expect(files).toHaveLength(3);
  });

  it('is told that its password is wrong', async () => {
    await using entrance = await openEstEntrance();
    const { csr } = await makeKeyAndRequest(entrance, 'first', 'CN=child01');
    const login = ['--userpass', 'child01:WRONG'];
    const args = ['--est', '--url', entrance.url, '--cacert', entrance.rootPath, '--in', csr, ...login];
    const { exitCode, stderr } = await runProgram('pki', args);
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain('401');
  });
});

describe('curl', () => {
  it('enrols with the PEM file openssl made, gets the chain it asks for, and renews with what it got', async () => {
    await using entrance = await openEstEntrance();
    const token = await entrance.site.token({ deviceId: 'child01' });
    const files = ['-keyout', entrance.file('key.pem'), '-out', entrance.file('csr.pem'), '-nodes'];
    const newEc = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
    await mustRun('openssl', ['req', '-new', ...newEc, ...files, '-subj', '/CN=child01']);
    const curl = (operation: string, ...args: string[]) =>
      mustRun('curl', [
        ...['--silent', '--show-error', '--fail-with-body', '--cacert', entrance.rootPath],
        ...['--header', 'Content-Type: application/pkcs10', '--header', 'Prefer: certificates=chain'],
        ...['--data-binary', `@${entrance.file('csr.pem')}`, ...args],
        `${entrance.url}/.well-known/est/${operation}`,
      ]);
    const issued = await curl('simpleenroll', '--user', `child01:${token}`);
    const pem = await mustRun('sh', ['-c', 'base64 -d | openssl pkcs7 -inform DER -print_certs'], { input: issued });
    await writeFile(entrance.file('chain.pem'), pem);
    expect(await verified(entrance, entrance.file('chain.pem'))).toContain('chain.pem: OK');
    const renewed = await curl(
      'simplereenroll',
      '--cert',
      entrance.file('chain.pem'),
      '--key',
      entrance.file('key.pem'),
    );
    expect(decodeCertsOnly(Buffer.from(renewed, 'base64')).map(parseCertificate)[0]?.subject.text).toBe(
      'CN=child01,O=Test Site',
    );
  });

  it.each(['--http1.1', '--http1.0'])('fetches the CA certificates by %s, for openssl to decode', async (version) => {
    await using entrance = await openEstEntrance();
    const script =
      'curl --silent --fail $1 --cacert "$2" "$3" | openssl base64 -d | openssl pkcs7 -inform DER -print_certs';
    const url = `${entrance.url}/.well-known/est/cacerts`;
    const pem = await mustRun('sh', ['-c', script, 'sh', version, entrance.rootPath, url]);
    expect(certificatesFromPem(pem).map(({ subject }) => subject.text)).toEqual([
      'CN=Test Site Root G1,O=Test Site',
      'CN=Test Site Device Issuing G1,O=Test Site',
      'CN=Test Site Service Issuing G1,O=Test Site',
    ]);
  });
});

describe('a CSR made by openssl that asks for too much', () => {
  it.each([
    ['a CA certificate', 'basicConstraints=critical,CA:TRUE'],
    ['the right to sign certificates', 'keyUsage=keyCertSign'],
    ['another name', 'subjectAltName=DNS:cloud.local'],
    ['another identity', 'subjectAltName=URI:spiffe://sallyport.local/admin/child01'],
    ['the right to sign code', 'extendedKeyUsage=codeSigning'],
    ['an unknown critical extension', '1.2.3.4=critical,ASN1:NULL'],
  ])('gets 403 for %s, and the token stays good', async (_case, extension) => {
    await using entrance = await openEstEntrance();
    const token = await entrance.site.token({ deviceId: 'child01' });
    const args = ['-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '/dev/null'];
    const csr = await mustRun('openssl', ['req', ...args, '-subj', '/CN=child01', '-addext', extension]);
    const reply = await ask(entrance, '/.well-known/est/simpleenroll', post('child01', token, csr));
    expect([reply.status, reply.body]).toEqual([403, expect.stringMatching(/^CSR refused: it asks for /)]);
    const good = csrFor('child01').toString('base64');
    expect((await ask(entrance, '/.well-known/est/simpleenroll', post('child01', token, good))).status).toBe(200);
  });
});

describe('a CSR made by openssl that asks for what it does not get, and does no harm', () => {
  /** A CSR for child01 as openssl makes it by such a configuration. */
  async function csrByConfig(entrance: OpenEstEntrance, config: string): Promise<string> {
    await writeFile(entrance.file('req.cnf'), config);
    const args = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '/dev/null'];
    return await mustRun('openssl', [
      'req',
      '-new',
      ...args,
      '-subj',
      '/CN=child01',
      '-config',
      entrance.file('req.cnf'),
    ]);
  }

  it('gets its certificate, and an answer and an audit row that name what was left out', async () => {
    await using entrance = await openEstEntrance();
    const token = await entrance.site.token({ deviceId: 'child01' });
    const config = [
      '[req]\ndistinguished_name=dn\nreq_extensions=ext\n[dn]\n[ext]',
      'basicConstraints=CA:FALSE\nsubjectKeyIdentifier=hash\nkeyUsage=digitalSignature,keyEncipherment',
      'extendedKeyUsage=clientAuth,serverAuth\nsubjectAltName=DNS:child01\ncertificatePolicies=1.2.3.4',
      'tlsfeature=status_request\n1.3.6.1.4.1.311.20.2=ASN1:BMPSTRING:Machine\n',
    ].join('\n');
    const csr = await csrByConfig(entrance, config);
    const reply = await ask(entrance, '/.well-known/est/simpleenroll', post('child01', token, csr));
    const leftOut =
      'keyUsage=keyEncipherment, extendedKeyUsage=serverAuth, certificatePolicies, tlsFeature, 1.3.6.1.4.1.311.20.2';
    expect([reply.status, reply.headers['extensions-left-out']]).toEqual([200, leftOut]);
    const { rows } = await entrance.site.signer.audit.page({ after: 0, limit: 100 });
    expect(rows.findLast(({ action }) => action === 'certificate-issued')?.details).toMatchObject({ leftOut });
  });

  it('gets an answer that names ten of five hundred', async () => {
    await using entrance = await openEstEntrance();
    const token = await entrance.site.token({ deviceId: 'child01' });
    const many = Array.from({ length: 500 }, (_, index) => `1.2.3.${index}=ASN1:NULL`).join('\n');
    const csr = await csrByConfig(entrance, `[req]\ndistinguished_name=dn\nreq_extensions=ext\n[dn]\n[ext]\n${many}\n`);
    const reply = await ask(entrance, '/.well-known/est/simpleenroll', post('child01', token, csr));
    expect([reply.status, reply.headers['extensions-left-out']]).toEqual([
      200,
      '1.2.3.0, 1.2.3.1, 1.2.3.2, 1.2.3.3, 1.2.3.4, 1.2.3.5, 1.2.3.6, 1.2.3.7, 1.2.3.8, 1.2.3.9, 490 more',
    ]);
  });

  it('gets an answer without such a note when nothing was left out', async () => {
    await using entrance = await openEstEntrance();
    const request = post(
      'child01',
      await entrance.site.token({ deviceId: 'child01' }),
      csrFor('child01').toString('base64'),
    );
    const reply = await ask(entrance, '/.well-known/est/simpleenroll', request);
    expect([reply.status, reply.headers['extensions-left-out']]).toEqual([200, undefined]);
  });
});

describe('the thin-edge.io client', () => {
  /** tedge sends the CSR file without its armour lines, the line breaks kept. */
  const request = (csr: Buffer) =>
    pemFromDer('CERTIFICATE REQUEST', csr)
      .split('\n')
      .filter((line) => !line.startsWith('-----'))
      .join('\n');

  const headers = { 'content-type': 'application/pkcs10', accept: '*/*' };
  const names = { commonName: 'child01', organization: 'Thin Edge', organizationalUnit: 'Device' };

  it('polls until the device is registered, then has a chain in order, and renews it', async () => {
    await using entrance = await openEstEntrance();
    const key = newKey();
    const body = request(buildCertificateRequest({ privateKey: key, ...names }));
    const poll = (password: string) =>
      ask(entrance, '/.well-known/est/simpleenroll', {
        method: 'POST',
        headers: { authorization: basic('child01', password), ...headers },
        body,
      });
    expect((await poll('not-yet')).status).toBe(401);
    const reply = await poll(await entrance.site.token({ deviceId: 'child01' }));
    expect(reply.status).toBe(200);
    const ders = decodeCertsOnly(Buffer.from(reply.body.replace(/[\r\n]/g, ''), 'base64'));
    const cert = ders.map((der) => pemFromDer('CERTIFICATE', der)).join('');
    await writeFile(entrance.file('tedge-certificate.pem'), cert);
    expect(await verified(entrance, entrance.file('tedge-certificate.pem'))).toContain('OK');

    const renewal = await ask(entrance, '/.well-known/est/simplereenroll', {
      method: 'POST',
      headers,
      body: request(buildCertificateRequest({ privateKey: newKey(), ...names })),
      cert,
      key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    });
    expect(renewal.status).toBe(200);
  });
});

describe('the Sallyport client', () => {
  it('trusts the signer by its token alone, enrols, and renews with a new key', async () => {
    await using entrance = await openEstEntrance();
    const paths = {
      certPath: entrance.file('cert.pem'),
      keyPath: entrance.file('key.pem'),
      caPath: entrance.file('ca.pem'),
    };
    const oneTimePassword = await entrance.site.token({ deviceId: 'child01' });
    const deviceId = id('child01');
    const enrolled = await enrolIdentity({ files: paths, deviceId, oneTimePassword, url: entrance.url });
    const renewed = await renewIdentity({ files: paths, url: entrance.url, newKey: true });
    expect(renewed.subject.der).toEqual(enrolled.subject.der);
    expect(renewed.spki).not.toEqual(enrolled.spki);
    expect(await verified(entrance, paths.certPath)).toContain('OK');
  });
});

describe('GnuTLS', () => {
  it('reads the answer and verifies the chain', async () => {
    await using entrance = await openEstEntrance();
    const token = await entrance.site.token({ deviceId: 'child01' });
    const csr = buildCertificateRequest({ privateKey: newKey(), commonName: 'child01' });
    const { body } = await ask(entrance, '/.well-known/est/chain/simpleenroll', {
      method: 'POST',
      headers: { authorization: basic('child01', token), 'content-type': 'application/pkcs10' },
      body: csr.toString('base64'),
    });
    const info = await mustRun('certtool', ['--p7-info', '--inder'], { input: Buffer.from(body, 'base64') });
    const certificates = derFromPem(info, 'CERTIFICATE');
    expect(certificates).toHaveLength(2);
    const chain = certificates.map((der) => pemFromDer('CERTIFICATE', der)).join('');
    await writeFile(entrance.file('chain.pem'), chain);
    const verify = ['--verify', '--load-ca-certificate', entrance.rootPath, '--infile', entrance.file('chain.pem')];
    expect(await mustRun('certtool', verify)).toContain('Chain verification output: Verified.');
  });
});
