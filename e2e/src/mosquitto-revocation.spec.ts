import { X509Certificate } from 'node:crypto';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, RawMqtt, runProgram, TestCa, type TestCertificate, temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import { endRevokedSessions, startBroker } from './cluster/broker.js';

interface Revoked {
  readonly certificate: TestCertificate;
  readonly name: string;
}

/** The Mosquitto of `deploy/mosquitto`, with revocation lists as the signer writes them (`pki.crl.file`). */
async function openSite() {
  const directory = temporaryDirectory();
  const ca = await TestCa.create();
  const [identity, crls] = [directory.file('broker'), directory.file('crls')];
  const place = { identity, crls, state: directory.file('state'), port: await freePort() };
  await mkdir(join(identity, 'device-certs'), { recursive: true });
  await mkdir(crls);
  const own = await ca.issue({ commonName: 'mqtt-broker', subjectAltNames: ['DNS:localhost'] });
  await copyFile(ca.certPath, join(identity, 'device-certs', 'ca.pem'));
  await copyFile(own.certPath, join(identity, 'device-certs', 'tedge-certificate.pem'));
  await copyFile(own.keyPath, join(identity, 'device-certs', 'tedge-private-key.pem'));
  const revoked: Revoked[] = [];
  const writeLists = () => writeRevocationLists(ca, crls, revoked);
  await writeLists();
  const broker = await startBroker(place);
  onTestFinished(async () => {
    await broker.stop();
    await directory.remove();
    await ca[Symbol.asyncDispose]();
  });
  return {
    issue: (commonName: string) => ca.issue({ commonName, extendedKeyUsage: 'clientAuth' }),
    connect: ({ certPem: cert, keyPem: key }: TestCertificate, clientId: string) =>
      RawMqtt.open({ port: place.port, tls: { ca: ca.certPem, servername: 'localhost', cert, key } }, { clientId }),
    publish: async ({ certPath, keyPath }: TestCertificate, topic: string) => {
      const place5 = ['-h', 'localhost', '-p', String(place.port), '--cafile', ca.certPath, '-V', '5', '-q', '1'];
      const words = ['--cert', certPath, '--key', keyPath, '-t', topic, '-m', 'x'];
      return runProgram('mosquitto_pub', [...place5, ...words]);
    },
    revoke: async (certificate: TestCertificate, name: string) => {
      revoked.push({ certificate, name });
      await writeLists();
    },
    apply: () => endRevokedSessions(place, broker),
  };
}

async function writeRevocationLists(ca: TestCa, folder: string, revoked: readonly Revoked[]): Promise<void> {
  await writeFile(join(folder, 'crl.pem'), await ca.revocationList(revoked.map(({ certificate }) => certificate)));
  const serialOf = ({ certPem }: TestCertificate) => new X509Certificate(certPem).serialNumber.toLowerCase();
  const lines = revoked.map(({ certificate, name }) => `${serialOf(certificate)} ${name}\n`);
  await writeFile(join(folder, 'crl.pem.revoked'), lines.join(''));
}

describe('Mosquitto without the MQTT entrance, as deploy/mosquitto ships it', () => {
  it('ends the session of a revoked device within a second, lets it in no more, and leaves others alone', async () => {
    const site = await openSite();
    const [lost, kept] = [await site.issue('child01'), await site.issue('child02')];
    const [live, other] = [await site.connect(lost, 'tedge-agent#1'), await site.connect(kept, 'b')];
    await site.revoke(lost, 'child01');
    const startedAt = performance.now();
    const ended = live.ended.then(() => performance.now() - startedAt);
    const { exitCode, stderr } = await site.apply();
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(await ended).toBeLessThan(1_000);
    await expect(site.connect(lost, 'again')).rejects.toThrow();
    expect(other.socket.destroyed).toBe(false);
    other.cut();
  });

  it('lets a revoked service publish no more to the topics of requests', async () => {
    const site = await openSite();
    const agent = await site.issue('agent');
    const topic = 'sallyport/v1/rpc/device-registry/admit-peer';
    expect((await site.publish(agent, topic)).stderr).not.toContain('Not authorized');
    const live = await site.connect(agent, 'agent');
    await site.revoke(agent, 'agent');
    await site.apply();
    await live.ended;
    // What the program says depends on which comes first, its own packet or the alert of the broker.
    expect((await site.publish(agent, topic)).exitCode).not.toBe(0);
  });

  it('ends each session once, and that of a name that is revoked again', async () => {
    const site = await openSite();
    const first = await site.issue('child01');
    await site.revoke(first, 'child01');
    await site.apply();
    const second = await site.issue('child01');
    await using live = await site.connect(second, 'a');
    expect((await site.apply()).exitCode).toBe(0);
    expect(live.socket.destroyed).toBe(false);
    await site.revoke(second, 'child01');
    await site.apply();
    await live.ended;
  });
});
