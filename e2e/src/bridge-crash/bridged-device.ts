import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type RawMqttTarget, type TemporaryDirectory, TestCa, temporaryDirectory } from '@sallyport/testkit';
import { TcpFront } from '@sallyport/testkit/fake-cloud';
import { Unit } from '../cluster/unit.js';
import { bundleBroker, KeptBroker } from './kept-broker.js';

const bridgeBundle = fileURLToPath(new URL('../../../apps/mqtt-bridge/dist/bundle/main.js', import.meta.url));

/** What a crash may hit. */
export type Victim = 'bridge' | 'local broker' | 'broker of the cloud';

/** A local broker, a broker of the cloud with TLS, and the bridge between them: three processes. */
export class BridgedDevice implements AsyncDisposable {
  private constructor(
    private readonly opened: AsyncDisposableStack,
    private readonly bridge: Unit,
    private readonly local: KeptBroker,
    private readonly remote: KeptBroker,
    /** Between the bridge and the cloud. */
    readonly link: TcpFront,
    readonly cloudTarget: RawMqttTarget,
  ) {}

  static async start(): Promise<BridgedDevice> {
    await using opened = new AsyncDisposableStack();
    const directory = opened.use(temporaryDirectory('sp-'));
    const ca = opened.use(await TestCa.create());
    const { certPath, keyPath } = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
    const gateway = await ca.issue({ commonName: 'gateway01', extendedKeyUsage: 'clientAuth' });
    const script = await bundleBroker(directory);
    const local = opened.use(await KeptBroker.start({ script, directory: directory.file('local') }));
    // It asks for no certificate: a peer that has one may use only its own topics, and not those of Cumulocity.
    const tls = { certPath, keyPath };
    const remote = opened.use(await KeptBroker.start({ script, directory: directory.file('cloud'), tls }));
    const link = opened.use(await TcpFront.open(() => remote.port));
    const files = { gateway, ca, directory };
    const bridge = new Unit([process.execPath, bridgeBundle], await environmentOf({ local, link, ...files }));
    opened.defer(async () => void (await bridge.end('SIGKILL')));
    // The brokers keep messages for the bridge from its first connection on.
    await bridge.prints('the bridge to the cloud is up', () => bridge.start());
    const cloudTarget = { port: remote.port, tls: { ca: ca.certPem, servername: 'localhost' } };
    return new BridgedDevice(opened.move(), bridge, local, remote, link, cloudTarget);
  }

  get localTarget(): RawMqttTarget {
    return { port: this.local.port };
  }

  get log(): string {
    return this.bridge.log;
  }

  /** Ends the process of the victim with SIGKILL, and resolves when it has gone. */
  async kill(victim: Victim): Promise<void> {
    if (victim === 'bridge') await this.bridge.end('SIGKILL');
    else await this.brokerOf(victim).kill();
  }

  async resume(victim: Victim): Promise<void> {
    if (victim === 'bridge') this.bridge.start();
    else await this.brokerOf(victim).resume();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.opened.disposeAsync();
  }

  private brokerOf(victim: Exclude<Victim, 'bridge'>): KeptBroker {
    return victim === 'local broker' ? this.local : this.remote;
  }
}

interface Surroundings {
  readonly local: KeptBroker;
  readonly link: TcpFront;
  readonly gateway: { readonly certPath: string; readonly keyPath: string };
  readonly ca: TestCa;
  readonly directory: TemporaryDirectory;
}

async function environmentOf({ local, link, gateway, ca, directory }: Surroundings): Promise<NodeJS.ProcessEnv> {
  const configDir = directory.file('config');
  await mkdir(configDir);
  return {
    ...process.env,
    TEDGE_CONFIG_DIR: configDir,
    TEDGE_RUN_PATH: directory.file('run'),
    TEDGE_MQTT_CLIENT_PORT: String(local.port),
    TEDGE_CLOUD_CONNECTIONS: 'c8y',
    TEDGE_C8Y_MQTT: `localhost:${link.port}`,
    TEDGE_C8Y_HTTP: 'localhost:9',
    TEDGE_C8Y_ROOT_CERT_PATH: ca.certPath,
    TEDGE_DEVICE_CERT_PATH: gateway.certPath,
    TEDGE_DEVICE_KEY_PATH: gateway.keyPath,
    TEDGE_MQTT_BRIDGE_RECONNECT_POLICY_INITIAL_INTERVAL: '100ms',
    TEDGE_MQTT_BRIDGE_RECONNECT_POLICY_MAXIMUM_INTERVAL: '1s',
  };
}
