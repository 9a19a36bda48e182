import { Controller, Module } from '@nestjs/common';
import { loadSettings } from '@sallyport/config';
import { Entrances } from '@sallyport/entrance';
import {
  connectMqtt,
  connectRpcClient,
  type Mqtt,
  type MqttConnection,
  type RpcClient,
  RpcHandler,
} from '@sallyport/mqtt';
import {
  type AdmissionRequest,
  admitPeer,
  checkEnrolment,
  type EntranceGroup,
  recordRefusal,
} from '@sallyport/protocol';
import { openLog, RunningServices, type ServiceDefinition, type ServiceHost } from '@sallyport/runtime';
import { openSqliteStore, type Store } from '@sallyport/store';
import { spawnMosquitto, type TemporaryDirectory, temporaryDirectory } from '@sallyport/testkit';
import { z } from 'zod';
import { pkiSigner } from './service.js';

/** Answers as a device registry that refuses nobody. */
@Controller()
class ObligingRegistry {
  @RpcHandler(admitPeer)
  admit({ deviceId, kind }: AdmissionRequest) {
    return { outcome: 'admitted' as const, deviceId, kind };
  }

  @RpcHandler(checkEnrolment)
  check() {
    return { outcome: 'allowed' as const };
  }

  @RpcHandler(recordRefusal)
  record() {
    return {};
  }
}

@Module({})
class ObligingRegistryModule {}

const obligingRegistry: ServiceDefinition = {
  name: 'device-registry',
  needs: { rpc: true },
  module: () => ({ module: ObligingRegistryModule, controllers: [ObligingRegistry] }),
};

// Without it Mosquitto waits up to 40 ms for more to send before it answers.
const config = ['set_tcp_nodelay true'];

const entranceLine = z.object({ message: z.literal('entrance in force'), entrance: z.string(), port: z.number() });

/** The whole service on a real broker and a SQLite store. */
export class SignerUnderTest {
  readonly logged: string[] = [];
  private services: RunningServices | undefined;
  private store: Store | undefined;
  private host: ServiceHost | undefined;
  /** How far the signer's time of day is ahead of the machine's. */
  aheadMs = 0;

  private constructor(
    private readonly broker: Awaited<ReturnType<typeof spawnMosquitto>>,
    readonly directory: TemporaryDirectory,
    /** Another service on the same broker. */
    readonly other: { readonly mqtt: Mqtt; readonly rpc: RpcClient & { close(): Promise<void> } },
  ) {}

  static async start(): Promise<SignerUnderTest> {
    const broker = await spawnMosquitto({ config });
    const connection: MqttConnection = { kind: 'network', url: broker.url, clientId: 'other' };
    const other = { mqtt: await connectMqtt(connection), rpc: await connectRpcClient(connection) };
    const signer = new SignerUnderTest(broker, temporaryDirectory(), other);
    await signer.startService();
    return signer;
  }

  async startService(): Promise<void> {
    const { directory } = this;
    const env = {
      TEDGE_RUN_PATH: directory.file('run'),
      TEDGE_PKI_BIND_PORT: '0',
      TEDGE_PKI_PUBLIC_BIND_PORT: '0',
      TEDGE_PKI_COAP_BIND_PORT: '0',
      TEDGE_DATA_PATH: directory.file('data'),
    };
    const { settings } = await loadSettings({ configDir: directory.path, env, cwd: directory.path });
    this.store = await openSqliteStore({ file: directory.file('store.db') });
    this.services = new RunningServices({
      settings,
      readSettings: async () => settings,
      log: openLog({ destination: { write: (line: string) => void this.logged.push(line) } }),
      clock: { now: () => new Date(Date.now() + this.aheadMs) },
      store: this.store,
      connectionFor: (service) => ({ kind: 'network', url: this.broker.url, clientId: service }),
    });
    await this.services.start(obligingRegistry);
    this.host = await this.services.start(pkiSigner);
  }

  async stopService(): Promise<void> {
    await this.services?.stop();
    await this.store?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.other.rpc.close();
    await this.other.mqtt.close();
    await this.stopService();
    await this.broker.kill();
    await this.directory.remove();
  }

  /** Where EST is answered. */
  get entrance() {
    const [entrance] = this.running.app.get(Entrances, { strict: false }).describe();
    if (entrance === undefined) throw new Error('the signer has no entrance');
    return entrance;
  }

  /** Where an entrance was bound last, as the log says. */
  portOf(group: EntranceGroup): number {
    const lines = this.logged.flatMap((text) => text.split('\n')).filter((line) => line !== '');
    const bound = lines.map((line) => entranceLine.safeParse(JSON.parse(line)).data);
    const last = bound.findLast((line) => line?.entrance === group);
    if (last === undefined) throw new Error(`entrance ${group} is not open`);
    return last.port;
  }

  /** Sends an admin request and reads the answer with the schema the command line uses. */
  async call<Schema extends z.ZodType>(
    method: 'GET' | 'POST',
    path: string,
    schema: Schema,
    payload?: object,
  ): Promise<z.output<Schema>> {
    const { status, body } = await this.send(method, path, payload);
    if (status >= 300) throw new Error(`${method} ${path} answered ${status}: ${JSON.stringify(body)}`);
    return schema.parse(body);
  }

  async send(method: 'GET' | 'POST' | 'DELETE', path: string, payload?: object, headers: Record<string, string> = {}) {
    const response = await this.running.app.inject({ method, url: path, headers, ...(payload ? { payload } : {}) });
    const body: unknown = response.body === '' ? undefined : response.json();
    return { status: response.statusCode, headers: response.headers, body };
  }

  async text(path: string): Promise<string> {
    return (await this.running.app.inject({ method: 'GET', url: path })).body;
  }

  private get running(): ServiceHost {
    if (this.host === undefined) throw new Error('the signer does not run');
    return this.host;
  }
}
