import { mkdir, writeFile } from 'node:fs/promises';
import { connectRpcClient, type RpcClient } from '@sallyport/mqtt';
import { admitPeer, type CertificateAdmissionRequest, certificateAdmissionRequest } from '@sallyport/protocol';
import { scopedStore } from '@sallyport/store';
import { type Daemon, spawnMosquitto, type TemporaryDirectory, temporaryDirectory } from '@sallyport/testkit';
import { ServiceProcess } from '../enrolments/service-process.js';
import { type BenchedEngine, redisEngine, sqliteEngine } from './engines.js';
import { fillStore } from './fleet-store.js';

const site = { siteId: 'ab'.repeat(16), foundedAt: '2026-06-01T12:00:00.000Z', distrusted: [] };

/** A device registry in its own process, with Mosquitto and a store. */
export class RegistrySite implements AsyncDisposable {
  private registry: ServiceProcess | undefined;
  private rpc: (RpcClient & { close(): Promise<void> }) | undefined;

  private constructor(
    readonly engine: BenchedEngine,
    private readonly directory: TemporaryDirectory,
    private readonly broker: Daemon & { url: string },
  ) {}

  /** A site without devices. */
  static async found(kind: 'sqlite' | 'redis'): Promise<RegistrySite> {
    const directory = temporaryDirectory('sallyport-b-');
    const broker = await spawnMosquitto({ config: ['set_tcp_nodelay true'] });
    await mkdir(directory.file('data', 'store'), { recursive: true });
    const engine = kind === 'sqlite' ? sqliteEngine(directory) : await redisEngine();
    const folders = ['[run]', `path = "${directory.file('run')}"`, '[data]', `path = "${directory.file('data')}"`];
    const lines = [...folders, '[mqtt.client]', `port = ${broker.port}`, ...engine.settings];
    await writeFile(directory.file('tedge.toml'), `${lines.join('\n')}\n`);
    const store = await engine.open();
    await scopedStore(store, 'device-registry/').put('site', site);
    await store.close();
    return new RegistrySite(engine, directory, broker);
  }

  get process(): ServiceProcess {
    if (this.registry === undefined) throw new Error('the registry does not run');
    return this.registry;
  }

  /** Registers one device with the registry, and writes its copies into the store while the registry is stopped. */
  async fill(devices: number): Promise<{ bytesPerDevice: number; seconds: number }> {
    await this.start();
    await this.admit(peerOf('pump-first', 'first'));
    await this.stop();
    const store = await this.engine.open();
    const [bytesBefore, began] = [await this.engine.bytes(), performance.now()];
    await fillStore(store, devices);
    const seconds = (performance.now() - began) / 1000;
    await store.close();
    return { bytesPerDevice: ((await this.engine.bytes()) - bytesBefore) / devices, seconds };
  }

  async start(): Promise<void> {
    this.registry = await ServiceProcess.start('device-registry', this.directory.path);
    this.rpc = await connectRpcClient({ kind: 'network', url: this.broker.url, clientId: 'bench' });
  }

  /** Asks as an entrance does. */
  async admit(request: CertificateAdmissionRequest): Promise<void> {
    const decision = await this.rpc?.call(admitPeer, request, { deadlineMs: 20_000 });
    if (decision?.outcome !== 'admitted') throw new Error(`not admitted: ${JSON.stringify(decision)}`);
  }

  private async stop(): Promise<void> {
    await this.rpc?.close();
    await this.registry?.stop();
    this.rpc = undefined;
    this.registry = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.engine.stop();
    await this.broker.stop();
    await this.directory.remove();
  }
}

/** A device with a certificate of a CA outside the site, which takes more room than one of the site. */
export function peerOf(deviceId: string, seed: string): CertificateAdmissionRequest {
  const digest = (text: string) => Buffer.from(text.padEnd(32, '.')).toString('hex').slice(0, 64);
  return certificateAdmissionRequest.parse({
    fingerprint: digest(seed),
    deviceId,
    issuerFingerprint: digest('CA certificate'),
    knownIssuerFingerprints: [digest('CA certificate')],
    authorities: [`ca:${digest('CA')}`],
    authorityName: 'CN=Fleet CA',
    serialNumber: '5a'.repeat(20),
    issuedHere: false,
    kind: 'device',
    notBefore: '2026-05-01T00:00:00Z',
    notAfter: '2036-05-01T00:00:00Z',
    entrance: 'connector',
    remoteAddress: '192.0.2.7',
  });
}
