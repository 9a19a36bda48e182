import { agent } from '@sallyport/agent';
import { c8yProxy } from '@sallyport/c8y-proxy';
import { coapGateway } from '@sallyport/coap-gateway';
import type { ProcessArguments, Settings } from '@sallyport/config';
import { connector } from '@sallyport/connector';
import { deviceRegistry } from '@sallyport/device-registry';
import { Entrances, fetchTrustBundle } from '@sallyport/entrance';
import { RpcClient } from '@sallyport/mqtt';
import { mqttBridge } from '@sallyport/mqtt-bridge';
import { openBroker } from '@sallyport/mqtt-broker';
import { pkiSigner } from '@sallyport/pki-signer';
import { type EntranceDescription, hasEntrances, Problem } from '@sallyport/protocol';
import {
  type Log,
  openConfiguredStore,
  RunningServices,
  type ServiceHost,
  type StartingProcess,
  SystemClock,
  startProcess,
} from '@sallyport/runtime';

/** The thread of the bridges: a bundle beside that of this program. */
const bridgeWorker = new URL('./bridge-worker.js', import.meta.url);

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
 * Every service in this process, on an embedded store and an embedded broker, unless the settings name others.
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
  const broker = await openBroker(process, { log, store });
  const definitions = [
    deviceRegistry,
    pkiSigner,
    broker.service,
    mqttBridge({ worker: bridgeWorker }),
    c8yProxy,
    connector,
    coapGateway,
    agent,
  ];
  runs(definitions.map(({ name }) => name));
  const services = new RunningServices({
    ...process,
    log,
    clock: new SystemClock(),
    store,
    connectionFor: broker.connectionFor,
  });
  opened({ name: 'services', stop: () => services.stop() });
  const hosts: ServiceHost[] = [];
  for (const definition of definitions) hosts.push(await services.start(definition));
  return { describe: () => describeSystem(settings, hosts) };
}

async function describeSystem({ directory }: Settings, hosts: readonly ServiceHost[]): Promise<SystemDescription> {
  const entrances = hosts
    .filter(({ context }) => hasEntrances(context.name))
    .flatMap((host) => host.app.get(Entrances, { strict: false }).describe());
  return { configDirectory: directory, entrances, caFingerprint: await rootFingerprint(hosts) };
}

async function rootFingerprint([host]: readonly ServiceHost[]): Promise<string> {
  const bundle = host === undefined ? [] : await fetchTrustBundle({ rpc: host.app.get(RpcClient, { strict: false }) });
  const root = bundle.find((certificate) => certificate.issuer.der.equals(certificate.subject.der));
  if (root === undefined) throw new Problem('unavailable', 'The signer has no root certificate to show.');
  return root.fingerprint;
}
