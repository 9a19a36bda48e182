import { agent } from '@sallyport/agent';
import type { ProcessArguments, Settings } from '@sallyport/config';
import { deviceRegistry } from '@sallyport/device-registry';
import { EmbeddedBroker } from '@sallyport/embedded-broker';
import { Entrances, fetchTrustBundle } from '@sallyport/entrance';
import { type MqttConnection, RpcClient } from '@sallyport/mqtt';
import { mqttBroker } from '@sallyport/mqtt-broker';
import { pkiSigner } from '@sallyport/pki-signer';
import { type EntranceDescription, Problem, type ServiceName } from '@sallyport/protocol';
import {
  type Log,
  openConfiguredStore,
  RunningServices,
  type ServiceHost,
  type StartingProcess,
  SystemClock,
  startProcess,
} from '@sallyport/runtime';
import { scopedStore } from '@sallyport/store';

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
  const { running, stop } = await startProcess(options, (process) => startServices(process, options.log));
  return { ...running, stop };
}

async function startServices(process: StartingProcess, log: Log): Promise<Pick<RunningSystem, 'describe'>> {
  const { settings, runs, opened } = process;
  const store = await openConfiguredStore(settings, log);
  opened({ name: 'store', stop: () => store.close() });
  const broker = new EmbeddedBroker({
    store: scopedStore(store, 'mqtt-broker/'),
    onWarning: (text, fields) => log.warn({ ...fields, service: 'mqtt-broker' }, text),
  });
  opened({ name: 'broker', stop: () => broker.close() });
  const definitions = [deviceRegistry, pkiSigner, mqttBroker(broker), agent];
  runs(definitions.map(({ name }) => name));
  const services = new RunningServices({
    ...process,
    log,
    clock: new SystemClock(),
    store,
    connectionFor: (service) => connectionThrough(broker, service),
  });
  opened({ name: 'services', stop: () => services.stop() });
  await broker.ready;
  const hosts: ServiceHost[] = [];
  for (const definition of definitions) hosts.push(await services.start(definition));
  return { describe: () => describeSystem(settings, hosts) };
}

// Inside one process services reach the broker through memory: there is no port to protect.
function connectionThrough(broker: EmbeddedBroker, service: ServiceName): MqttConnection {
  return { kind: 'in-process', openStream: () => broker.openStream(), clientId: `sallyport-${service}` };
}

async function describeSystem({ directory }: Settings, hosts: readonly ServiceHost[]): Promise<SystemDescription> {
  const entrances = hosts.flatMap((host) => host.app.get(Entrances, { strict: false }).describe());
  return { configDirectory: directory, entrances, caFingerprint: await rootFingerprint(hosts) };
}

async function rootFingerprint([host]: readonly ServiceHost[]): Promise<string> {
  const bundle = host === undefined ? [] : await fetchTrustBundle({ rpc: host.app.get(RpcClient, { strict: false }) });
  const root = bundle.find((certificate) => certificate.issuer.der.equals(certificate.subject.der));
  if (root === undefined) throw new Problem('unavailable', 'The signer has no root certificate to show.');
  return root.fingerprint;
}
