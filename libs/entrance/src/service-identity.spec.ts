import 'reflect-metadata';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { connect } from 'node:tls';
import { Controller, type INestMicroservice, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { certsOnly, EstResponder } from '@sallyport/identity/testing';
import { mqttRpcServer, publishEvent, RpcHandler } from '@sallyport/mqtt';
import { enrolmentSecretLength, formatEnrolmentToken, readTrustBundle, trustBundleChanged } from '@sallyport/protocol';
import { closeTestContext, openTestContext, type TestContext } from '@sallyport/runtime/testing';
import {
  type CertificateOptions,
  type TemporaryDirectory,
  TestCa,
  type TestCertificate,
  temporaryDirectory,
  waitFor,
} from '@sallyport/testkit';
import { readTrustAnchors } from '@sallyport/tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serviceCertificateFiles } from './entrance-settings.js';
import { Entrances } from './entrances.js';
import { configuredSource } from './security-source.js';
import { fetchTrustBundle } from './trust-bundle.js';

@Controller()
class SmallSigner {
  pem = '';
  /** How often it was asked. */
  asked = 0;
  /** Ends the wait of the first answer, which says what was true when it was asked for. */
  first: Promise<void> = Promise.resolve();

  @RpcHandler(readTrustBundle)
  async read() {
    const answer = { version: 1, certificates: [{ role: 'root' as const, pem: this.pem }] };
    this.asked += 1;
    if (this.asked === 1) await this.first;
    return answer;
  }
}

@Module({ controllers: [SmallSigner] })
class SmallSignerModule {}

describe('a service with a certificate of its own', () => {
  let ca: TestCa;
  let directory: TemporaryDirectory;
  let context: TestContext;
  let signer: INestMicroservice | undefined;

  beforeEach(async () => {
    ca = await TestCa.create();
    directory = temporaryDirectory();
    context = await openTestContext(directory.path);
  });

  afterEach(async () => {
    await signer?.close();
    signer = undefined;
    await closeTestContext(context);
    await directory.remove();
    await ca[Symbol.asyncDispose]();
  });

  /** As "cert download" leaves it: certificate and key, but not yet the CAs of the site. */
  async function enrolledByHand(life: Pick<CertificateOptions, 'notBefore' | 'notAfter'> = {}) {
    const files = serviceCertificateFiles(context.settings, 'agent');
    const { certPath, keyPath } = await ca.issue({ commonName: 'agent', subjectAltNames: ['DNS:localhost'], ...life });
    await mkdir(dirname(files.certPath), { recursive: true });
    await copyFile(certPath, files.certPath);
    await copyFile(keyPath, files.keyPath);
    return files;
  }

  async function startSigner(): Promise<SmallSigner> {
    const strategy = mqttRpcServer(context.mqttConnection);
    signer = await NestFactory.createMicroservice(SmallSignerModule, { strategy, logger: false });
    const controller = signer.get(SmallSigner);
    controller.pem = ca.certPem;
    await signer.listen();
    return controller;
  }

  const knownCas = (path: string) => readFile(path, 'utf8').catch(() => undefined);

  const announceTrustBundle = () => publishEvent(context.mqtt, trustBundleChanged, { version: 2 });

  const configure = (...lines: string[]) =>
    writeFile(directory.file('tedge.toml'), ['[http]', 'bind.port = 0', ...lines, ''].join('\n'));

  it('learns the CAs of its site from a signer that starts after it', async () => {
    const { clientCaPath } = await enrolledByHand();
    const entrances = new Entrances(context);
    await entrances.onModuleInit();
    await startSigner();
    const known = await waitFor(() => readFile(clientCaPath, 'utf8'));
    expect(known.trim()).toBe(ca.certPem.trim());
    await entrances.beforeApplicationShutdown();
  });

  it('keeps the CAs of its site in a directory, as thin-edge.io wants them, and no second copy', async () => {
    const { clientCaDirectory, formerClientCaPath } = await enrolledByHand();
    await startSigner();
    const entrances = new Entrances(context);
    await entrances.onModuleInit();
    await waitFor(async () => (await knownCas(join(clientCaDirectory, 'site.pem'))) !== undefined);
    expect((await readTrustAnchors(clientCaDirectory)).certificates).toHaveLength(1);
    expect(await knownCas(formerClientCaPath)).toBeUndefined();
    await entrances.beforeApplicationShutdown();
  });

  it('keeps the file of an earlier release up to date too, which its settings may still name', async () => {
    const { clientCaPath, formerClientCaPath } = await enrolledByHand();
    const small = await startSigner();
    await writeFile(formerClientCaPath, 'older\n');
    const entrances = new Entrances(context);
    await entrances.onModuleInit();
    await waitFor(async () => (await knownCas(formerClientCaPath))?.trim() === small.pem.trim());
    expect(await knownCas(clientCaPath)).toBe(await knownCas(formerClientCaPath));
    await entrances.beforeApplicationShutdown();
  });

  it('finishes a renewal that a crash interrupted', async () => {
    const { certPath, keyPath } = await enrolledByHand();
    const renewed = await ca.issue({ commonName: 'agent' });
    await writeFile(`${keyPath}.next`, renewed.keyPem + renewed.certPem);
    const entrances = new Entrances(context);
    await entrances.onModuleInit();
    expect((await readFile(certPath, 'utf8')).trim()).toBe(renewed.certPem.trim());
    await entrances.beforeApplicationShutdown();
  });

  it('stops at once while the signer is silent', async () => {
    await enrolledByHand();
    const entrances = new Entrances(context);
    await entrances.onModuleInit();
    const before = performance.now();
    await entrances.beforeApplicationShutdown();
    // Less than the deadline of the call to the signer.
    expect(performance.now() - before).toBeLessThan(2_000);
  });

  it('asks the signer one question at a time, so that no older answer comes last', async () => {
    const { clientCaPath } = await enrolledByHand();
    const newer = await TestCa.create();
    const small = await startSigner();
    const held = Promise.withResolvers<void>();
    small.first = held.promise;
    const entrances = new Entrances(context);
    await entrances.onModuleInit();
    await waitFor(() => small.asked === 1);

    small.pem = newer.certPem;
    await announceTrustBundle();
    // By the time these are answered, so would be a question of the service's own.
    for (const _ of [1, 2, 3]) await fetchTrustBundle(context);
    expect(small.asked).toBe(1 + 3);
    held.resolve();

    await waitFor(async () => (await knownCas(clientCaPath))?.trim() === newer.certPem.trim());
    await entrances.beforeApplicationShutdown();
    expect((await knownCas(clientCaPath))?.trim()).toBe(newer.certPem.trim());
    await newer[Symbol.asyncDispose]();
  });

  it('puts changed CAs in force once the settings that kept it from doing so are mended', async () => {
    const { certPath, keyPath, clientCaPath } = await enrolledByHand();
    const small = await startSigner();
    const newer = await TestCa.create();
    const tls = [`cert_path = "${certPath}"`, `key_path = "${keyPath}"`, `ca_path = "${clientCaPath}"`];
    const entrances = new Entrances(context);
    await entrances.onModuleInit();
    await waitFor(() => knownCas(clientCaPath));
    await configure(...tls);
    await context.reloadSettings();
    const source = configuredSource(context, { group: 'http' });
    await entrances.open({ name: 'greetings', source, handler: { http: (_, response) => response.end('hello') } });

    await configure('bind.port = "broken');
    small.pem = newer.certPem;
    await announceTrustBundle();
    await waitFor(async () => (await knownCas(clientCaPath))?.trim() === newer.certPem.trim());
    await configure(...tls);

    const child = await newer.issue({ commonName: 'child01' });
    const refusals = () => context.metrics.metrics();
    await waitFor(
      async () => {
        await knock(entrances.describe()[0]?.port ?? 0, child);
        // The registry is not there to admit it; but it is asked, so the CA is known.
        return (await refusals()).includes('reason="admission-unavailable"');
      },
      { deadlineMs: 25_000 },
    );
    await entrances.beforeApplicationShutdown();
    await newer[Symbol.asyncDispose]();
  });

  it('shows a renewed certificate at its entrances though the signer answers nothing else', async () => {
    const responder = await EstResponder.start();
    const { site } = responder;
    responder.on('simplereenroll', ({ body }) => certsOnly([site.issueDevice(Buffer.from(body, 'base64')).der]));
    const { certPath, keyPath, caPath } = await enrolledByHand(dueForRenewal());
    await writeFile(caPath, site.rootPem);
    await configure(`cert_path = "${certPath}"`, `key_path = "${keyPath}"`, '[pki]', `url = "${responder.url}"`);
    await context.reloadSettings();
    const entrances = new Entrances(context);
    const source = configuredSource(context, { group: 'http' });
    await entrances.open({ name: 'greetings', source, handler: { http: (_, response) => response.end('hello') } });
    const former = entrances.describe()[0]?.fingerprint;

    await entrances.onModuleInit();

    await waitFor(() => entrances.describe()[0]?.fingerprint !== former);
    await entrances.beforeApplicationShutdown();
    await responder.close();
  });

  it('renews a certificate it has enrolled for though it could not learn the CAs of its site then', async () => {
    const responder = await EstResponder.start();
    const { site } = responder;
    const issueOld = (csr: Buffer) => certsOnly([site.issueDevice(csr, undefined, dueForRenewal()).der]);
    responder.on('simpleenroll', ({ body }) => issueOld(Buffer.from(body, 'base64')));
    await configure('[pki]', `url = "${responder.url}"`);
    await context.reloadSettings();
    const entrances = new Entrances(context);
    const source = configuredSource(context, { group: 'http' });
    await entrances.open({ name: 'greetings', source, handler: { http: (_, response) => response.end('hello') } });

    const secret = 'A'.repeat(enrolmentSecretLength);
    const enrolled = entrances.enrol({
      group: 'http',
      oneTimePassword: formatEnrolmentToken({ secret, caFingerprint: site.root.fingerprint }),
      url: responder.url,
      subjectAltNames: [{ type: 'dns', value: 'localhost' }],
    });

    await expect(enrolled).rejects.toMatchObject({ type: 'unavailable' });
    await waitFor(() => responder.operations.includes('simplereenroll'));
    await entrances.beforeApplicationShutdown();
    await responder.close();
  });
});

function dueForRenewal() {
  const hour = 3_600_000;
  return { notBefore: new Date(Date.now() - 20 * hour), notAfter: new Date(Date.now() + hour) };
}

/** Connects with a certificate and waits until the connection is over. */
async function knock(port: number, { certPem, keyPem }: TestCertificate): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, cert: certPem, key: keyPem, rejectUnauthorized: false });
  socket.on('error', () => undefined).resume();
  await new Promise((resolve) => socket.once('close', resolve));
}
