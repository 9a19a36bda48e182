import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deviceId } from '@sallyport/protocol';
import { buildCertificateRequest, type Certificate } from '@sallyport/x509';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CertificateFiles, pemOf, readIdentity, replacePair } from './certificate-files.js';
import { enrolIdentity } from './enrol.js';
import { certsOnly, EstResponder } from './est-responder.fixture.js';
import { newPrivateKey, privateKeyPem } from './private-key.js';
import { renewIdentity } from './renew.js';

let folder: string;
let files: CertificateFiles;
let responder: EstResponder;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'contention-'));
  files = { certPath: join(folder, 'cert.pem'), keyPath: join(folder, 'key.pem'), caPath: join(folder, 'ca.pem') };
  responder = await EstResponder.start();
});
afterEach(async () => {
  await responder.close();
  await rm(folder, { recursive: true, force: true });
});

const enrol = () =>
  enrolIdentity({
    files,
    deviceId: deviceId.parse('child01'),
    oneTimePassword: 'secret',
    trust: { rootsPem: [responder.site.rootPem] },
    url: responder.url,
  });

/** What another process does that renews with a new key. */
async function replaceElsewhere(): Promise<void> {
  const privateKey = await newPrivateKey();
  const chain = [responder.site.issueDevice(buildCertificateRequest({ privateKey, commonName: 'child01' }))];
  await replacePair(files, privateKey, chain);
}

/** Issues as the responder does, after another process has replaced the pair. */
function issueAfterReplacement(operation: 'simpleenroll' | 'simplereenroll'): void {
  responder.on(operation, ({ body }, response) => {
    const { headers = {}, body: answer } = certsOnly([responder.site.issueDevice(Buffer.from(body, 'base64')).der]);
    void replaceElsewhere().then(() => response.writeHead(200, headers).end(answer));
    return undefined;
  });
}

const inForce = async (): Promise<Certificate | undefined> => (await readIdentity(files))?.certificates[0];

describe('a key that another process replaces meanwhile', () => {
  it('comes back with the certificate of a renewal that kept it', async () => {
    await enrol();
    issueAfterReplacement('simplereenroll');

    const renewed = await renewIdentity({ files, url: responder.url, newKey: false });

    expect((await inForce())?.fingerprint).toBe(renewed.fingerprint);
  });

  it('comes back with the certificate of an enrolment', async () => {
    await enrol();
    issueAfterReplacement('simpleenroll');

    const enrolled = await enrol();

    expect((await inForce())?.fingerprint).toBe(enrolled.fingerprint);
  });
});

describe('a pair that is replaced', () => {
  it('by several at once, again and again, is whole each time', async () => {
    for (let round = 0; round < 15; round += 1) {
      await Promise.all([replaceElsewhere(), replaceElsewhere(), replaceElsewhere()]);

      expect((await inForce())?.subject.commonNames).toEqual(['child01']);
      expect((await readdir(folder)).sort()).toEqual(['cert.pem', 'key.pem']);
    }
  });

  it('while it is read is never taken for one that does not fit', async () => {
    await enrol();
    let isReplacing = true;
    const replacing = (async () => {
      for (let round = 0; round < 20; round += 1) await replaceElsewhere();
    })().finally(() => {
      isReplacing = false;
    });

    while (isReplacing) expect((await inForce())?.subject.commonNames).toEqual(['child01']);
    await replacing;
  });

  it('before a crash does not come back over the enrolment that followed it', async () => {
    await enrol();
    const privateKey = await newPrivateKey();
    const next = responder.site.issueDevice(buildCertificateRequest({ privateKey, commonName: 'child01' }));
    await writeFile(`${files.keyPath}.next`, privateKeyPem(privateKey) + pemOf([next]));

    const enrolled = await enrol();

    expect((await inForce())?.fingerprint).toBe(enrolled.fingerprint);
    expect((await readdir(folder)).sort()).toEqual(['ca.pem', 'cert.pem', 'key.pem']);
  });

  it('is left alone when what lies beside it under the name of the next is no pair', async () => {
    const enrolled = await enrol();
    const key = await readFile(files.keyPath, 'utf8');
    for (const text of ['garbage', '', `${key}${await readFile(files.caPath, 'utf8')}`]) {
      await writeFile(`${files.keyPath}.next`, text);

      expect((await inForce())?.fingerprint).toBe(enrolled.fingerprint);
      expect(await readFile(files.keyPath, 'utf8')).toBe(key);
    }
  });
});
