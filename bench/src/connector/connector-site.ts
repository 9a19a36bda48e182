import { mkdir, writeFile } from 'node:fs/promises';
import { connectorDraft, savedConnector } from '@sallyport/protocol';
import { type Daemon, freePort, spawnMosquitto, type TemporaryDirectory, temporaryDirectory } from '@sallyport/testkit';
import { ServiceProcess } from '../enrolments/service-process.js';
import type { Contestant, Stage } from './contestants.js';

/** Registry, signer and connector in processes of their own, with a Mosquitto broker and a store on disk. */
export class ConnectorSite implements AsyncDisposable {
  private constructor(
    private readonly directories: readonly TemporaryDirectory[],
    private readonly broker: Daemon,
    private readonly signer: ServiceProcess,
    readonly registry: ServiceProcess,
    private readonly connector: ServiceProcess,
    /** The connector as a device sees it. */
    readonly contestant: Contestant,
  ) {}

  static async start({ ca, server, fleet }: Stage): Promise<ConnectorSite> {
    const broker = await spawnMosquitto({ config: ['set_tcp_nodelay true'] });
    const [signerFiles, registryFiles, connectorFiles] = [folder(), folder(), folder()];
    const mqtt = `mqtt.client.port = ${broker.port}`;
    const port = await freePort();
    await configure(signerFiles, [mqtt, 'pki.bind.port = 0', 'pki.public.bind.port = 0']);
    await configure(registryFiles, [mqtt]);
    await configure(connectorFiles, [
      mqtt,
      `connector.bind.port = ${port}`,
      'connector.mqtt.bind.port = 0',
      `connector.cert_path = "${server.certPath}"`,
      `connector.key_path = "${server.keyPath}"`,
    ]);
    const registry = await ServiceProcess.start('device-registry', registryFiles.path);
    const signer = await ServiceProcess.start('pki-signer', signerFiles.path);
    const connector = await ServiceProcess.start('connector', connectorFiles.path);
    await admitFleet(registry, fleet.certPem);
    const contestant = { name: 'ours, the service', pid: connector.pid, port, caPem: ca.certPem, stop: async () => {} };
    return new ConnectorSite(
      [signerFiles, registryFiles, connectorFiles],
      broker,
      signer,
      registry,
      connector,
      contestant,
    );
  }

  get brokerPid(): number {
    return this.broker.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const service of [this.connector, this.registry, this.signer]) await service.stop();
    await this.broker.stop();
    await Promise.all(this.directories.map((directory) => directory.remove()));
  }
}

/** As an operator does it: devices of this CA need nobody's help. */
async function admitFleet(registry: ServiceProcess, certificate: string): Promise<void> {
  const draft = '/v1/connectors/default/draft';
  const settings = { provisioning: { self: true, auth: 'certificate' }, pki: { enabled: true } };
  await registry.call('PATCH', draft, connectorDraft, { body: settings });
  const body = { certificate: { text: certificate } };
  const { etag } = await registry.call('POST', `${draft}/client-cas`, connectorDraft, { body });
  await registry.call('POST', `${draft}/save`, savedConnector, { ifMatch: etag });
}

function folder(): TemporaryDirectory {
  return temporaryDirectory('sallyport-b-');
}

async function configure(directory: TemporaryDirectory, lines: readonly string[]): Promise<void> {
  const [run, data] = [directory.file('run'), directory.file('data')];
  await mkdir(data);
  const folders = [`run.path = "${run}"`, `data.path = "${data}"`];
  await writeFile(directory.file('tedge.toml'), `${[...folders, ...lines].join('\n')}\n`);
}
