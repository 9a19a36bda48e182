import { mkdir, writeFile } from 'node:fs/promises';
import { enrolmentTokenResponse, trustBundle } from '@sallyport/protocol';
import { type Daemon, freePort, spawnMosquitto, type TemporaryDirectory, temporaryDirectory } from '@sallyport/testkit';
import { ServiceProcess } from './service-process.js';

/** Signer and device registry in separate processes, with a Mosquitto broker, as on a cluster. */
export class SignerSite implements AsyncDisposable {
  private constructor(
    private readonly directories: readonly TemporaryDirectory[],
    private readonly broker: Daemon,
    private readonly registry: ServiceProcess,
    readonly signer: ServiceProcess,
    /** Port of the EST listener. */
    readonly port: number,
    readonly rootPem: string,
  ) {}

  static async start(): Promise<SignerSite> {
    const broker = await spawnMosquitto({ config: ['set_tcp_nodelay true'] });
    const [signerFiles, registryFiles] = [temporaryDirectory('sallyport-b-'), temporaryDirectory('sallyport-b-')];
    const port = await freePort();
    await configure(registryFiles, [`[mqtt.client]`, `port = ${broker.port}`]);
    await configure(signerFiles, [
      `[mqtt.client]`,
      `port = ${broker.port}`,
      `[pki.bind]`,
      `port = ${port}`,
      `[pki.public.bind]`,
      `port = 0`,
    ]);
    const registry = await ServiceProcess.start('device-registry', registryFiles.path);
    const signer = await ServiceProcess.start('pki-signer', signerFiles.path);
    const { roots } = await signer.call('GET', '/v1/trust-bundle', trustBundle);
    return new SignerSite([signerFiles, registryFiles], broker, registry, signer, port, roots[0] ?? '');
  }

  get brokerPort(): number {
    return this.broker.port;
  }

  /** Makes a one-time token, as `sallyport device enroll-token` does. */
  async tokenFor(deviceId: string): Promise<string> {
    return (await this.signer.call('POST', '/v1/enrollments', enrolmentTokenResponse, { body: { deviceId } })).token;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.signer.stop();
    await this.registry.stop();
    await this.broker.stop();
    await Promise.all(this.directories.map((directory) => directory.remove()));
  }
}

async function configure(directory: TemporaryDirectory, lines: readonly string[]): Promise<void> {
  const [run, data] = [directory.file('run'), directory.file('data')];
  await mkdir(data);
  const folders = ['[run]', `path = "${run}"`, '[data]', `path = "${data}"`];
  await writeFile(directory.file('tedge.toml'), `${[...folders, ...lines].join('\n')}\n`);
}
