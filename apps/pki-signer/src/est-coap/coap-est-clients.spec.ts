import { readFile, writeFile } from 'node:fs/promises';
import { mustRun } from '@sallyport/testkit';
import { decodeCertsOnly, parseCertificate, pemFromDer } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import type { OpenEstEntrance } from '../est/est-entrance.fixture.js';
import { csrFor, enrolmentOf, newKey } from '../signer.fixture.js';
import { openCoapEst } from './coap-est.fixture.js';

const name = 'uuid:b5a2a42e-b285-42f1-a36b-034c8fc8efd5';

const certificatesIn = async (path: string) => decodeCertsOnly(await readFile(path)).map(parseCertificate);

/** Runs a client of libcoap, which trusts the root of the site. The answer goes into a file. */
async function ask(entrance: OpenEstEntrance, client: string, resource: string, words: readonly string[]) {
  const url = `coaps+tcp://localhost:${entrance.port}/.well-known/est/${resource}`;
  await mustRun(client, ['-B', '10', '-C', entrance.rootPath, '-o', entrance.file('answer'), ...words, url]);
  return certificatesIn(entrance.file('answer'));
}

describe.each(['coap-client-openssl', 'coap-client-gnutls'])('%s', (client) => {
  it('fetches the CA certificates', async () => {
    await using entrance = await openCoapEst();
    const found = await ask(entrance, client, 'crts', ['-m', 'get']);
    expect(found.map(({ subject }) => subject.text)).toEqual([
      'CN=Test Site Root G1,O=Test Site',
      'CN=Test Site Device Issuing G1,O=Test Site',
      'CN=Test Site Service Issuing G1,O=Test Site',
    ]);
  });

  it('renews an OCF identity', async () => {
    await using entrance = await openCoapEst();
    const key = newKey();
    const token = await entrance.site.token({ deviceId: name });
    const { certificate } = await entrance.site.signer.enrolment.enrol(enrolmentOf(name, token, csrFor(name, key)));
    const issuing = entrance.site.signer.hierarchy.signing('device').certificate;
    const chain = [Buffer.from(certificate, 'base64'), issuing.der].map((der) => pemFromDer('CERTIFICATE', der));
    await writeFile(entrance.file('identity.pem'), chain.join(''));
    await writeFile(entrance.file('identity.key'), key.export({ type: 'pkcs8', format: 'pem' }));
    await writeFile(entrance.file('new.csr'), csrFor(name));
    const proof = ['-c', entrance.file('identity.pem'), '-j', entrance.file('identity.key')];
    const request = ['-m', 'post', '-t', '286', '-f', entrance.file('new.csr')];
    const [leaf] = await ask(entrance, client, 'sren', [...proof, ...request]);
    expect(leaf?.subject.commonNames).toEqual([name]);
    expect(leaf?.extendedKeyUsages).toEqual(['clientAuth', 'serverAuth', '1.3.6.1.4.1.44924.1.6']);
  });
});
