import { agent } from '@sallyport/agent';
import { type LoadOptions, loadSettings, type ProcessArguments, type Settings } from '@sallyport/config';
import { deviceRegistry } from '@sallyport/device-registry';
import { EmbeddedBroker } from '@sallyport/embedded-broker';
import { Entrances, fetchTrustBundle } from '@sallyport/entrance';
import { type MqttConnection, RpcClient } from '@sallyport/mqtt';
import { mqttBroker } from '@sallyport/mqtt-broker';
import { pkiSigner } from '@sallyport/pki-signer';
import { type EntranceDescription, Problem, type ServiceName } from '@sallyport/protocol';
import {
  explainFailedStart,
  type Log,
  openConfiguredStore,
  RunningServices,
  type ServiceDefinition,
  type ServiceHost,
  SystemClock,
  settingsAtStart,
  stopInTurn,
} from '@sallyport/runtime';
import { type Store, scopedStore } from '@sallyport/store';

export interface StandaloneOptions extends ProcessArguments {
  readonly log: Log;
}

/** What the operator wants to know once everything runs. */
export interface SystemDescription {
  readonly configDirectory: string;
  readonly entrances: readonly EntranceDescription[];
  /** SHA-256 over the root certificate's DER, lower-case hexadecimal. */
  readonly caFingerprint: string;
}

export interface RunningSystem {
  describe(): Promise<SystemDescription>;
  stop(): Promise<void>;
}

/**
 * Every service in this process, on an embedded broker and an embedded store.
 *
 * The registry comes first, since every other service asks it who may enter; the agent, which serves devices, last.
 * When one fails to start, those before it are stopped again.
 *
 * @throws Problem `config-invalid`, `conflict`, `unavailable`: what the service that could not start says.
 */
export async function startStandalone(options: StandaloneOptions): Promise<RunningSystem> {
  const settings = await settingsAtStart(loadOptions(options), options.log);
  const system = new System(options, settings, await openConfiguredStore(settings, options.log));
  try {
    await system.start();
  } catch (error) {
    // What could not be stopped is in the log; the caller has to hear why the start failed.
    await Promise.allSettled([system.stop()]);
    throw await explainFailedStart(error, settings, system.serviceNames, options);
  }
  return system;
}

function loadOptions({ env, cwd, options }: ProcessArguments): LoadOptions {
  return { ...options, env, cwd };
}

class System implements RunningSystem {
  private readonly broker: EmbeddedBroker;
  private readonly services: RunningServices;
  private readonly definitions: readonly ServiceDefinition[];
  private readonly hosts: ServiceHost[] = [];
  private readonly log: Log;

  constructor(
    options: StandaloneOptions,
    private readonly settings: Settings,
    private readonly store: Store,
  ) {
    const { log } = options;
    this.log = log;
    this.broker = new EmbeddedBroker({
      store: scopedStore(store, 'mqtt-broker/'),
      onWarning: (text, fields) => log.warn({ ...fields, service: 'mqtt-broker' }, text),
    });
    this.definitions = [deviceRegistry, pkiSigner, mqttBroker(this.broker), agent];
    this.services = new RunningServices({
      settings,
      readSettings: async () => (await loadSettings(loadOptions(options))).settings,
      log,
      clock: new SystemClock(),
      store,
      connectionFor: (service) => this.connectionFor(service),
    });
  }

  /** In the order in which they start. */
  get serviceNames(): ServiceName[] {
    return this.definitions.map(({ name }) => name);
  }

  async start(): Promise<void> {
    await this.broker.ready;
    for (const definition of this.definitions) this.hosts.push(await this.services.start(definition));
  }

  async describe(): Promise<SystemDescription> {
    const entrances = this.hosts.flatMap((host) => host.app.get(Entrances, { strict: false }).describe());
    return { configDirectory: this.settings.directory, entrances, caFingerprint: await this.rootFingerprint() };
  }

  async stop(): Promise<void> {
    const parts = [
      { name: 'services', stop: () => this.services.stop() },
      { name: 'broker', stop: () => this.broker.close() },
      { name: 'store', stop: () => this.store.close() },
    ];
    await stopInTurn(parts, this.log);
  }

  // Inside one process services reach the broker through memory: there is no port to protect.
  private connectionFor(service: ServiceName): MqttConnection {
    return { kind: 'in-process', openStream: () => this.broker.openStream(), clientId: `sallyport-${service}` };
  }

  private async rootFingerprint(): Promise<string> {
    const [host] = this.hosts;
    const bundle =
      host === undefined ? [] : await fetchTrustBundle({ rpc: host.app.get(RpcClient, { strict: false }) });
    const root = bundle.find((certificate) => certificate.issuer.der.equals(certificate.subject.der));
    if (root === undefined) throw new Problem('unavailable', 'The signer has no root certificate to show.');
    return root.fingerprint;
  }
}
