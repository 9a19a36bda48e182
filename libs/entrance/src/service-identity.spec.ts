import 'reflect-metadata';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Controller, type INestMicroservice, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { mqttRpcServer, RpcHandler } from '@sallyport/mqtt';
import { readTrustBundle } from '@sallyport/protocol';
import type { ServiceContext } from '@sallyport/runtime';
import { closeTestContext, openTestContext } from '@sallyport/runtime/testing';
import { type TemporaryDirectory, TestCa, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serviceCertificateFiles } from './entrance-settings.js';
import { Entrances } from './entrances.js';

@Controller()
class SmallSigner {
  pem = '';

  @RpcHandler(readTrustBundle)
  read() {
    return { version: 1, certificates: [{ role: 'root' as const, pem: this.pem }] };
  }
}

@Module({ controllers: [SmallSigner] })
class SmallSignerModule {}

describe('a service with a certificate of its own', () => {
  let ca: TestCa;
  let directory: TemporaryDirectory;
  let context: ServiceContext;
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
  async function enrolledByHand() {
    const files = serviceCertificateFiles(context.settings, 'agent');
    const { certPath, keyPath } = await ca.issue({ commonName: 'agent' });
    await mkdir(dirname(files.certPath), { recursive: true });
    await copyFile(certPath, files.certPath);
    await copyFile(keyPath, files.keyPath);
    return files;
  }

  async function startSigner(): Promise<void> {
    const strategy = mqttRpcServer(context.mqttConnection);
    signer = await NestFactory.createMicroservice(SmallSignerModule, { strategy, logger: false });
    signer.get(SmallSigner).pem = ca.certPem;
    await signer.listen();
  }

  it('learns the CAs of its site from a signer that starts after it', async () => {
    const { clientCaPath } = await enrolledByHand();
    const entrances = new Entrances(context);
    await entrances.onModuleInit();
    await startSigner();
    const known = await waitFor(() => readFile(clientCaPath, 'utf8'), { deadlineMs: 10_000 });
    expect(known.trim()).toBe(ca.certPem.trim());
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
});
