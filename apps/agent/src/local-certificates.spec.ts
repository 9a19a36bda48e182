import 'reflect-metadata';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  type CertificateFiles,
  type LocalIdentityName,
  localIdentityFiles,
  newPrivateKey,
  readIdentity,
  replacePair,
  replaceRoots,
} from '@sallyport/identity';
import { EstResponder } from '@sallyport/identity/testing';
import { openLog } from '@sallyport/runtime';
import { closeTestContext, openTestContext, TestContext } from '@sallyport/runtime/testing';
import { type TemporaryDirectory, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { buildCertificateRequest, type Certificate } from '@sallyport/x509';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalCertificates } from './local-certificates.js';

const hour = 3_600_000;

/** A validity whose renewal is due, also with the longest random delay of renewals. */
const due = () => ({ notBefore: new Date(Date.now() - 19 * hour), notAfter: new Date(Date.now() + hour) });
const fresh = () => ({ notBefore: new Date(Date.now() - 300_000), notAfter: new Date(Date.now() + 20 * hour) });

describe('certificates of this machine', () => {
  let directory: TemporaryDirectory;
  let context: TestContext;
  let responder: EstResponder;
  let certificates: LocalCertificates;
  let log: Record<string, unknown>[];

  beforeEach(async () => {
    directory = temporaryDirectory();
    responder = await EstResponder.start();
    await writeFile(directory.file('tedge.toml'), `pki.url = "${responder.url}"\n`);
    context = await openTestContext(directory.path);
    log = [];
    const destination = { write: (line: string) => void log.push(JSON.parse(line)) };
    const { settings } = context;
    const readSettings = () => Promise.resolve(settings);
    certificates = new LocalCertificates(
      new TestContext({ ...context, settings, readSettings, log: openLog({ destination }) }),
    );
  });

  afterEach(async () => {
    await certificates.beforeApplicationShutdown();
    await responder.close();
    await closeTestContext(context);
    await directory.remove();
  });

  const filesOf = (name: LocalIdentityName): CertificateFiles => localIdentityFiles(directory.path, name);

  /** Does the same as "secure mutual". */
  async function place(name: LocalIdentityName, life: ReturnType<typeof due>): Promise<Certificate> {
    const files = filesOf(name);
    const { site } = responder;
    const privateKey = await newPrivateKey();
    const csr = buildCertificateRequest({ privateKey, commonName: name });
    const certificate = site.issueDevice(csr, name, life);
    await mkdir(dirname(files.certPath), { recursive: true, mode: 0o700 });
    await replaceRoots(files, [site.root]);
    await replacePair(files, privateKey, [certificate, site.issuing]);
    return certificate;
  }

  const logged = (message: string) => log.filter((line) => line['message'] === message);
  const renewals = () => logged('local certificate renewed');
  const inForce = async (name: LocalIdentityName) => (await readIdentity(filesOf(name)))?.certificates[0];

  it.each(['client', 'administrator'] as const)('renew themselves, with a new key: the one of the %s', async (name) => {
    const before = await place(name, due());

    certificates.onApplicationBootstrap();
    const [renewal] = await waitFor(() => renewals().length > 0 && renewals());

    const after = await inForce(name);
    expect(renewal).toMatchObject({
      level: 'info',
      identity: name,
      fingerprint: after?.fingerprint,
      notAfter: after?.notAfter.toISOString(),
    });
    expect(after?.spki).not.toEqual(before.spki);
    expect(responder.seen.at(-1)).toMatchObject({ operation: 'simplereenroll', clientName: name });
  });

  it('are left alone while they are far from their end', async () => {
    const { fingerprint } = await place('client', fresh());

    await certificates.look();

    expect(logged('local certificate found, kept renewed')).toMatchObject([{ identity: 'client', fingerprint }]);
    expect(responder.seen).toEqual([]);
  });

  it('are found when they appear later', async () => {
    certificates.onApplicationBootstrap();
    await certificates.look();
    expect(log).toEqual([]);

    await place('administrator', due());
    await certificates.look();

    await waitFor(() => renewals().length > 0);
    expect(renewals()).toMatchObject([{ identity: 'administrator' }]);
  });

  it('are taken up when another program replaced them', async () => {
    await place('client', fresh());
    await certificates.look();

    const replaced = await place('client', due());
    await certificates.look();

    await waitFor(() => renewals().length > 0);
    expect((await inForce('client'))?.fingerprint).not.toBe(replaced.fingerprint);
  });

  it('that are renewed once are not taken for those of another program', async () => {
    await place('client', due());
    await certificates.look();
    await waitFor(() => renewals().length > 0);

    await certificates.look();

    expect(log.map(({ message }) => message)).toEqual([
      'local certificate found, kept renewed',
      'local certificate renewed',
    ]);
  });

  it('that are taken away are no longer renewed', async () => {
    await place('client', fresh());
    await certificates.look();

    await rm(dirname(filesOf('client').certPath), { recursive: true });
    await certificates.look();

    expect(log.at(-1)).toMatchObject({ identity: 'client', message: 'local certificate gone, no longer renewed' });
  });

  it('stay in force when the signer refuses, and the log says when it is asked again', async () => {
    responder.on('simplereenroll', () => ({ status: 503, headers: { 'retry-after': '120' } }));
    const { fingerprint } = await place('client', due());

    await certificates.look();
    const [failure] = await waitFor(() => {
      const failures = logged('local certificate could not be renewed, will try again');
      return failures.length > 0 && failures;
    });

    expect(failure).toMatchObject({
      level: 'warn',
      identity: 'client',
      retryInSeconds: 120,
      error: { type: 'unavailable' },
    });
    expect((await inForce('client'))?.fingerprint).toBe(fingerprint);
  });

  it('that cannot be read are complained about once, and taken up when they can', async () => {
    const { certPath } = filesOf('client');
    await mkdir(certPath, { recursive: true });

    await certificates.look();
    await certificates.look();
    expect(log).toMatchObject([
      { level: 'warn', identity: 'client', message: 'local certificate cannot be used, will not be renewed' },
    ]);

    await rm(certPath, { recursive: true });
    await place('client', due());
    await certificates.look();
    await waitFor(() => renewals().length > 0);
  });

  it('that do not pair with their key are complained about and never overwritten', async () => {
    await place('client', due());
    const { certPath, keyPath } = filesOf('client');
    await rm(keyPath);
    await writeFile(keyPath, (await newPrivateKey()).export({ format: 'pem', type: 'pkcs8' }));
    const before = await readFile(certPath, 'utf8');

    await certificates.look();

    expect(log).toMatchObject([
      { level: 'warn', reason: expect.stringContaining('does not belong to the certificate') },
    ]);
    expect(await readFile(certPath, 'utf8')).toBe(before);
    expect(responder.seen).toEqual([]);
  });

  it('do not hold up a stop while the signer keeps an answer back', async () => {
    responder.on('simplereenroll', () => undefined);
    const { fingerprint } = await place('client', due());
    await certificates.look();
    await waitFor(() => responder.operations.includes('simplereenroll'));

    await certificates.beforeApplicationShutdown();

    expect((await inForce('client'))?.fingerprint).toBe(fingerprint);
    expect(logged('local certificate could not be renewed, will try again')).toEqual([]);
  });
});
