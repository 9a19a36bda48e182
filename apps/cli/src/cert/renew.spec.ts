import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { certificatesFromPem } from '@sallyport/x509';
import { describe, expect, it, onTestFinished } from 'vitest';
import { childrenAndSignersFor } from '../fixtures/child-and-signer.fixture.js';
import { runSallyport } from '../fixtures/run-sallyport.fixture.js';

const childAndSigner = childrenAndSignersFor(onTestFinished);

describe('cert renew', () => {
  async function enrolledChild() {
    const child = await childAndSigner();
    await child.download(['--device-id', 'child01', '-p', child.token]);
    const read = (name: string) => readFile(join(child.certs, name), 'utf8');
    return {
      ...child,
      read,
      certificate: await read('tedge-certificate.pem'),
      key: await read('tedge-private-key.pem'),
    };
  }

  it('puts the next certificate in force at once, with the same key', async () => {
    const { run, server, read, certificate, key } = await enrolledChild();

    const { exitCode } = await run(['renew', '--url', server.url]);

    expect(exitCode).toBe(0);
    expect(await read('tedge-certificate.pem')).not.toBe(certificate);
    expect(await read('tedge-private-key.pem')).toBe(key);
  });

  it('makes a new key too when asked', async () => {
    const { run, server, read, key } = await enrolledChild();

    expect((await run(['renew', '--new-key', '--url', server.url])).exitCode).toBe(0);
    expect(await read('tedge-private-key.pem')).not.toBe(key);
  });

  it('sends the signing request of a file, if it is for the present key', async () => {
    const { run, server, cwd } = await enrolledChild();
    await run(['create-csr', '--output-path', 'mine.csr']);
    await mkdir(join(cwd, 'other'));
    await runSallyport(['cert', 'create-csr', '--device-id', 'child01', '--config-dir', 'other'], { cwd });

    const mine = await run(['renew', '--csr-path', 'mine.csr', '--url', server.url]);
    const others = await run(['renew', '--csr-path', 'other/device-certs/tedge.csr', '--url', server.url]);

    expect(mine.exitCode).toBe(0);
    expect(others).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('is for another key') });
  });

  it('for a cloud leaves the next certificate waiting beside the present one', async () => {
    const { run, server, read, certificate } = await enrolledChild();

    const { exitCode, stdout } = await run(['renew', 'c8y', '--url', server.url]);

    expect(exitCode).toBe(0);
    expect(stdout).toContain('tedge-certificate.pem.new');
    expect(await read('tedge-certificate.pem')).toBe(certificate);
    expect((await run(['show', '--new'])).exitCode).toBe(0);
  });

  it('by the CA of the cloud needs the Cumulocity proxy', async () => {
    const { cwd, run, read, certificate } = await enrolledChild();
    await writeFile(join(cwd, 'child', 'tedge.toml'), '[c8y]\nproxy.client.port = 1\n');

    const { exitCode, stderr } = await run(['renew', '--ca', 'c8y']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('Cannot talk to http://127.0.0.1:1: nothing listens there');
    expect(await read('tedge-certificate.pem')).toBe(certificate);
  });

  /** Certificate, key and settings as a device has them that "tedge cert download" enrolled: no CA file. */
  async function childOfThinEdge(settings = '') {
    const child = await enrolledChild();
    await rm(join(child.certs, 'ca.pem'));
    const { port } = new URL(child.server.url);
    const [cert, key] = [join(child.certs, 'tedge-certificate.pem'), join(child.certs, 'tedge-private-key.pem')];
    const proxy = `[c8y]\nurl = "cloud.example"\nproxy.client.host = "localhost"\nproxy.client.port = ${port}\nproxy.cert_path = "/of/the/proxy"\nproxy.key_path = "/of/the/key"\n`;
    const client = `[http.client.auth]\ncert_file = "${cert}"\nkey_file = "${key}"\n[mqtt.client.auth]\nca_file = "${join(child.cwd, 'site-ca.pem')}"\n`;
    // Where the enrolment has written which service it used.
    await rm(join(child.cwd, 'child', 'sallyport.toml'));
    await writeFile(join(child.cwd, 'child', 'tedge.toml'), proxy + client + settings);
    child.server.paths.length = 0;
    return child;
  }

  it.each([['c8y'], ['c8y', '--ca', 'c8y'], ['--ca', 'c8y']])(
    'in a directory of thin-edge.io goes where thin-edge.io goes, once the proxy can be trusted: %j',
    async (...words) => {
      const { cwd, run, server } = await childOfThinEdge();

      const refused = await run(['renew', ...words]);
      await writeFile(join(cwd, 'site-ca.pem'), server.authority.rootPem);
      const renewed = await run(['renew', ...words]);

      expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('its CA is not trusted here') });
      expect(renewed.exitCode).toBe(0);
      expect(renewed.stdout).toContain(words[0] === 'c8y' ? 'tedge-certificate.pem.new\n' : 'tedge-certificate.pem\n');
      expect(server.paths).toEqual(['/c8y/.well-known/est/simplereenroll']);
    },
  );

  it('says which option is needed when the site has not issued the certificate', async () => {
    const { run } = await childOfThinEdge();
    const { exitCode, stderr } = await run(['renew']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('is not of this site, but of "');
    expect(stderr).toContain('When the cloud issued it, use --ca c8y.');
  });

  it.each(['az', 'aws'])('takes no certificate of Cumulocity for %s', async (cloud) => {
    const { run } = await enrolledChild();

    expect((await run(['renew', '--ca', 'c8y', cloud])).stderr).toContain(`issues no certificates for ${cloud}`);
  });

  it('in a directory of thin-edge.io goes where pki.url says, once that is set', async () => {
    const { cwd, run, server, certs } = await childOfThinEdge('[pki]\nurl = "https://other.invalid"\n');
    await writeFile(join(certs, 'ca.pem'), server.authority.rootPem);
    await writeFile(join(cwd, 'site-ca.pem'), server.authority.rootPem);

    expect((await run(['renew', 'c8y'])).stderr).toContain('https://other.invalid');
    expect((await run(['renew', 'c8y', '--ca', 'c8y'])).exitCode).toBe(0);
  });

  it('keeps the CAs it knows when the service publishes none', async () => {
    const { run, server, read } = await enrolledChild();
    server.publishes = false;

    expect((await run(['renew'])).exitCode).toBe(0);
    expect(await read('ca.pem')).toBe(server.authority.rootPem);
  });

  it.each([
    ['tedge-certificate.pem', 'There is no certificate to renew at '],
    ['tedge-private-key.pem', 'The private key of the certificate is missing: there is no file '],
  ])('names %s when it is missing, and sends nothing', async (name, words) => {
    const { run, server, certs } = await enrolledChild();
    await rm(join(certs, name));
    server.paths.length = 0;

    const { exitCode, stderr } = await run(['renew']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain(`${words}${join(certs, name)}`);
    expect(stderr).toContain('sallyport --config-dir ./child cert download');
    expect(server.paths).toEqual([]);
  });

  it.each([
    ['with a new key for a cloud, which tries the certificate out first', ['c8y', '--new-key'], 'keeps its key'],
  ])('is refused %s', async (_, words, reason) => {
    const { run, server, read, certificate, key } = await enrolledChild();

    const { exitCode, stderr } = await run(['renew', '--url', server.url, ...words]);

    expect(exitCode).toBe(1);
    expect(stderr).toContain(reason);
    expect([await read('tedge-certificate.pem'), await read('tedge-private-key.pem')]).toEqual([certificate, key]);
  });

  it('leaves the present certificate in force when the signer says no', async () => {
    const { run, server, read, certificate } = await enrolledChild();
    server.refusals.push({ status: 403 });

    expect((await run(['renew', '--url', server.url])).exitCode).toBe(1);
    expect(await read('tedge-certificate.pem')).toBe(certificate);
  });

  it('renews a self-signed certificate by itself, as .new and with the same key', async () => {
    const { run, certs } = await childAndSigner();
    await run(['create', '--device-id', 'gw']);
    const read = (name: string) => readFile(join(certs, name), 'utf8');
    const [before] = certificatesFromPem(await read('tedge-certificate.pem'));

    const { exitCode } = await run(['renew', '--ca', 'self-signed']);

    const [next] = certificatesFromPem(await read('tedge-certificate.pem.new'));
    expect(exitCode).toBe(0);
    expect(next?.spki).toEqual(before?.spki);
    expect(next?.subject.text).toBe(before?.subject.text);
    expect(next?.fingerprint).not.toBe(before?.fingerprint);
  });

  it('refuses to make a certificate of a CA self-signed', async () => {
    const { run } = await enrolledChild();

    const { exitCode, stderr } = await run(['renew', '--ca', 'self-signed']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('is not self-signed');
  });

  it('says what is missing when there is nothing to renew', async () => {
    const { run, server } = await childAndSigner();

    const { exitCode, stderr } = await run(['renew', '--url', server.url]);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('There is no certificate to renew');
  });
});
