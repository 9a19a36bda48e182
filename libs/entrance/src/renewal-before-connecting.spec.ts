import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { certsOnly, EstResponder } from '@sallyport/identity/testing';
import { closeTestContext, openTestContext, type TestContext } from '@sallyport/runtime/testing';
import { type CertificateOptions, type TemporaryDirectory, TestCa, temporaryDirectory } from '@sallyport/testkit';
import { certificatesFromPem } from '@sallyport/x509';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serviceCertificateFiles } from './entrance-settings.js';
import { renewBeforeConnecting } from './renewal-before-connecting.js';

const hour = 3_600_000;
const from = (start: number, end: number) => ({
  notBefore: new Date(Date.now() + start * hour),
  notAfter: new Date(Date.now() + end * hour),
});

describe('a service that shows its own certificate to the broker, before it connects', () => {
  let ca: TestCa;
  let responder: EstResponder;
  let directory: TemporaryDirectory;
  let context: TestContext;

  beforeEach(async () => {
    [ca, responder] = [await TestCa.create(), await EstResponder.start()];
    directory = temporaryDirectory();
    context = await openTestContext(directory.path);
  });

  afterEach(async () => {
    await closeTestContext(context);
    await responder.close();
    await directory.remove();
    await ca[Symbol.asyncDispose]();
  });

  async function enrolled(life: Pick<CertificateOptions, 'notBefore' | 'notAfter'>, broker: string) {
    const settings = ['[mqtt]', `broker.url = "${broker}"`, '[pki]', `url = "${responder.url}"`, ''];
    await writeFile(directory.file('tedge.toml'), settings.join('\n'));
    await context.reloadSettings();
    const files = serviceCertificateFiles(context.settings, 'agent');
    const { certPath, keyPath } = await ca.issue({ commonName: 'agent', ...life });
    await mkdir(dirname(files.certPath), { recursive: true });
    await copyFile(certPath, files.certPath);
    await copyFile(keyPath, files.keyPath);
    await writeFile(files.caPath, responder.site.rootPem);
    return async () => certificatesFromPem(await readFile(files.certPath, 'utf8'))[0]?.notAfter;
  }

  it.each([
    ['has ended', from(-100, -1)],
    ['is not valid yet', from(1, 100)],
  ])('renews the certificate when it %s, also if the signer is away at first', async (_case, life) => {
    let tries = 0;
    responder.on('simplereenroll', ({ body }) => {
      tries += 1;
      return tries === 1 ? { status: 503 } : certsOnly([responder.site.issueDevice(Buffer.from(body, 'base64')).der]);
    });
    const end = await enrolled(life, 'mqtts://broker.example:8883');

    await renewBeforeConnecting(context);

    expect(tries).toBe(2);
    expect(await end()).not.toEqual(life.notAfter);
  });

  it('starts all the same when the signer says no', async () => {
    responder.on('simplereenroll', () => ({ status: 403 }));
    await enrolled(from(-100, -1), 'mqtts://broker.example:8883');

    await renewBeforeConnecting(context);

    expect(responder.operations.filter((operation) => operation === 'simplereenroll')).toHaveLength(1);
  });

  it.each([
    ['the certificate is valid', from(-1, 100), 'mqtts://broker.example:8883'],
    ['the broker asks for none', from(-100, -1), 'mqtt://broker.example:1883'],
  ])('asks nobody when %s', async (_case, life, broker) => {
    await enrolled(life, broker);

    await renewBeforeConnecting(context);

    expect(responder.operations).toEqual([]);
  });
});
