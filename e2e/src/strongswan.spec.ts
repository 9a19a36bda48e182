import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { System, succeeded } from './system.js';

// EST clients written by others. The operator gives the device the root and a token. Each client then follows its
// manual.
describe('a foreign EST client', () => {
  let system: System;

  beforeAll(async () => {
    system = await System.start();
    succeeded(await system.sallyport('ca', 'export', '--output', 'root.pem'));
    succeeded(await system.sallyport('secure', 'mutual'));
    await writeFile(join(system.directory, 'foo.txt'), 'Hello thin-edge.io\n');
  });

  afterAll(() => system.stop());

  const token = async (name: string) => succeeded(await system.sallyport('device', 'enroll-token', name)).trim();
  const openssl = async (...args: string[]) => succeeded(await system.run('openssl', args));
  const shell = async (script: string, ...args: string[]) =>
    succeeded(await system.run('sh', ['-euc', script, 'sh', ...args]));
  const publicKeyOf = (chain: string) => openssl('x509', '-in', chain, '-noout', '-pubkey');

  /** Stores a file with this identity and reads it back, at level mutual. */
  async function transfer(cert: string, key: string): Promise<string> {
    const identity = ['-sS', '--fail', '--cacert', 'root.pem', '--cert', cert, '--key', key];
    const url = `https://${system.fileUrl}/${cert}.txt`;
    succeeded(await system.run('curl', [...identity, '-X', 'PUT', '-F', 'file=@foo.txt', url]));
    return succeeded(await system.run('curl', [...identity, url]));
  }

  describe('strongSwan pki', () => {
    /** `pki --req` needs its key in DER; curl needs the same key in PEM. */
    async function makeRequest(name: string, dn: string): Promise<void> {
      await openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', `${name}.key`);
      await openssl('pkey', '-in', `${name}.key`, '-outform', 'DER', '-out', `${name}.key.der`);
      await shell('pki --req --in "$1.key.der" --type ecdsa --dn "$2" >"$1.csr"', name, dn);
    }

    const server = () => `--url ${system.estUrl} --cacert root.pem --outform pem`;

    it('enrols with a one-time token', async () => {
      await makeRequest('swan', 'CN=swan01');
      const login = `swan01:${await token('swan01')}`;
      await shell(`pki --est ${server()} --in swan.csr --userpass "$1" >swan.pem`, login);
      expect(await openssl('x509', '-in', 'swan.pem', '-noout', '-subject')).toMatch(/CN ?= ?swan01\n$/);
    });

    it('moves a file with the leaf alone, which is all that pki writes', async () => {
      const chain = await readFile(join(system.directory, 'swan.pem'), 'utf8');
      expect(chain.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
      expect(await transfer('swan.pem', 'swan.key')).toBe('Hello thin-edge.io\n');
    });

    it('enrols again with its certificate, for a new key', async () => {
      const subject = await openssl('x509', '-in', 'swan.pem', '-noout', '-subject', '-nameopt', 'RFC2253');
      // strongSwan prints the parts of a name from the root down. RFC 2253 prints them in reverse order.
      const dn = subject.trim().replace('subject=', '').split(',').reverse().join(', ');
      await makeRequest('swan2', dn);
      await shell(`pki --est ${server()} --in swan2.csr --cert swan.pem --key swan.key.der >swan2.pem`);
      expect(await publicKeyOf('swan2.pem')).toBe(await openssl('pkey', '-in', 'swan2.key', '-pubout'));
    });

    it('is refused with a token that was used', async () => {
      await makeRequest('swan3', 'CN=swan03');
      const login = `swan03:${await token('swan03')}`;
      const enrol = (csr: string) =>
        system.run('sh', ['-c', `pki --est ${server()} --in ${csr} --userpass "$1" >/dev/null`, 'sh', login]);
      expect(await enrol('swan3.csr')).toMatchObject({ code: 0 });
      await makeRequest('swan4', 'CN=swan03');
      const { code, stderr } = await enrol('swan4.csr');
      expect(code).not.toBe(0);
      expect(stderr).toContain('401');
    });
  });

  describe('a client that speaks EST as thin-edge.io does', () => {
    // tedge sends Basic credentials, and the CSR file without its BEGIN and END lines, but with line breaks. It sends
    // no User-Agent. It renews at the path of its Cumulocity proxy.
    const head = ['--header', 'Content-Type: application/pkcs10', '--header', 'User-Agent:', '--header', 'Accept: */*'];
    const post = ['-sS', '--fail-with-body', '--cacert', 'root.pem', ...head];

    async function makeRequest(name: string): Promise<void> {
      const subject = '/CN=edge01/O=Thin Edge/OU=Test Device';
      const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`];
      await openssl('req', '-new', ...ec, '-subj', subject, '-out', `${name}.csr`);
      await shell('grep -v -- ----- "$1.csr" >"$1.b64"', name);
    }

    const unpack = (name: string) =>
      shell('base64 -d "$1.p7" | openssl pkcs7 -inform DER -print_certs -out "$1.pem"', name);

    it('enrols, and moves a file', async () => {
      await makeRequest('edge');
      const body = ['--data-binary', '@edge.b64', '--output', 'edge.p7'];
      const login = ['--user', `edge01:${await token('edge01')}`];
      const url = `${system.estUrl}/.well-known/est/simpleenroll`;
      succeeded(await system.run('curl', [...post, ...login, ...body, url]));
      await unpack('edge');
      expect(await openssl('verify', '-CAfile', 'root.pem', '-untrusted', 'edge.pem', 'edge.pem')).toBe(
        'edge.pem: OK\n',
      );
      expect(await transfer('edge.pem', 'edge.key')).toBe('Hello thin-edge.io\n');
    });

    it('renews with its certificate', async () => {
      await makeRequest('edge2');
      const body = ['--data-binary', '@edge2.b64', '--output', 'edge2.p7'];
      const identity = ['--cert', 'edge.pem', '--key', 'edge.key'];
      const url = `${system.estUrl}/c8y/.well-known/est/simplereenroll`;
      succeeded(await system.run('curl', [...post, ...identity, ...body, url]));
      await unpack('edge2');
      expect(await publicKeyOf('edge2.pem')).toBe(await openssl('pkey', '-in', 'edge2.key', '-pubout'));
      expect(await transfer('edge2.pem', 'edge2.key')).toBe('Hello thin-edge.io\n');
    });
  });
});
