import { readFile, writeFile } from 'node:fs/promises';
import { enrolIdentity, renewIdentity } from '@sallyport/identity';
import { mustRun, runProgram } from '@sallyport/testkit';
import { certificatesFromPem, pemFromDer } from '@sallyport/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { id } from '../signer.fixture.js';
import { type OpenEstEntrance, openEstEntrance } from './est-entrance.fixture.js';
import { estSecurity } from './est-entrance.js';

describe('EST after a device was off while the root changed', () => {
  let entrance: OpenEstEntrance;
  let files: { readonly certPath: string; readonly keyPath: string; readonly caPath: string };
  let newRootPath: string;

  beforeAll(async () => {
    entrance = await openEstEntrance();
    const { site } = entrance;
    files = {
      certPath: entrance.file('cert.pem'),
      keyPath: entrance.file('key.pem'),
      caPath: entrance.file('ca.pem'),
    };
    const oneTimePassword = await site.token({ deviceId: 'child01' });
    await enrolIdentity({ files, deviceId: id('child01'), oneTimePassword, url: entrance.url });
    // As after the overlap: CAs below the new root sign.
    await site.signer.rotation.rotate({ purpose: 'root', overlapSeconds: 0 }, 'admin');
    await site.signer.serverCertificate.renewIfDue();
    const { hierarchy, serverCertificate } = site.signer;
    await entrance.listener.reload(estSecurity(hierarchy, serverCertificate, site.clock.now()).security);
    newRootPath = entrance.file('new-root.pem');
    await writeFile(newRootPath, pemFromDer('CERTIFICATE', hierarchy.byId('root-2').certificate.der));
  });

  afterAll(() => entrance[Symbol.asyncDispose]());

  const target = () => ['-connect', `127.0.0.1:${entrance.port}`, '-servername', 'localhost'];
  const url = () => `${entrance.url}/.well-known/est/cacerts`;
  const clients = {
    curl: (ca: string) => runProgram('curl', ['--silent', '--show-error', '--fail', '--cacert', ca, url()]),
    openssl: (ca: string) =>
      runProgram('openssl', ['s_client', ...target(), '-CAfile', ca, '-x509_strict', '-verify_return_error', '-brief']),
    GnuTLS: (ca: string) =>
      runProgram('gnutls-cli', ['--x509cafile', ca, '--port', String(entrance.port), 'localhost']),
    strongSwan: (ca: string) =>
      runProgram('pki', ['--estca', '--url', entrance.url, '--cacert', ca, '--outform', 'pem', '--force']),
  };

  it.each(['curl', 'openssl', 'GnuTLS', 'strongSwan'] as const)(
    'is believed by %s, old root or new',
    async (client) => {
      for (const ca of [entrance.rootPath, newRootPath]) {
        const { exitCode, stderr } = await clients[client](ca);
        expect([exitCode, ca, stderr]).toEqual([0, ca, expect.any(String)]);
      }
    },
  );

  it('publishes both roots, and what each says of the other', async () => {
    const script = 'curl --silent --fail --cacert "$1" "$2" | base64 -d | openssl pkcs7 -inform DER -print_certs';
    const pem = await mustRun('sh', ['-c', script, 'sh', entrance.rootPath, url()]);
    const said = certificatesFromPem(pem).map(({ subject, issuer }) =>
      [subject, issuer].map((name) => name.commonNames[0]),
    );
    expect(said.filter(([subject = '']) => subject.includes('Root'))).toEqual([
      ['Test Site Root G1', 'Test Site Root G1'],
      ['Test Site Root G2', 'Test Site Root G2'],
      ['Test Site Root G1', 'Test Site Root G2'],
      ['Test Site Root G2', 'Test Site Root G1'],
    ]);
  });

  it('renews for the Sallyport client that knows only the old root, and gives it the new one', async () => {
    const commonNames = async (path: string) =>
      certificatesFromPem(await readFile(path, 'utf8')).map(({ subject }) => subject.commonNames[0]);
    expect(await commonNames(files.caPath)).toEqual(['Test Site Root G1']);
    await renewIdentity({ files, url: entrance.url, newKey: true });
    expect(await commonNames(files.caPath)).toEqual(['Test Site Root G1', 'Test Site Root G2']);
    expect(await commonNames(files.certPath)).toEqual(['child01', 'Test Site Device Issuing G2', 'Test Site Root G2']);
    // And again, with what it has now.
    await renewIdentity({ files, url: entrance.url, newKey: true });
  });
});
