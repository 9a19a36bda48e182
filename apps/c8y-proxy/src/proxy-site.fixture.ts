import { writeFile } from 'node:fs/promises';
import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import { Controller, type INestMicroservice, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Entrances } from '@sallyport/entrance';
import { type MqttSession, mqttRpcServer, openMqttSession, publishEvent, RpcHandler } from '@sallyport/mqtt';
import {
  type AdmissionRequest,
  admitPeer,
  type DeviceState,
  deviceChanged,
  deviceId,
  type EntranceDescription,
} from '@sallyport/protocol';
import { MqttSessions } from '@sallyport/runtime';
import { closeTestContext, openTestContext, type TestContext } from '@sallyport/runtime/testing';
import { type TemporaryDirectory, type TestCertificate, temporaryDirectory } from '@sallyport/testkit';
import type { FakeCloud } from '@sallyport/testkit/fake-cloud';
import { ProxyEntrances } from './proxy-entrances.js';

/** Admits every peer, as the device registry does on first contact. */
@Controller()
class ObligingRegistry {
  @RpcHandler(admitPeer)
  admit({ deviceId: id, kind }: AdmissionRequest) {
    return { outcome: 'admitted' as const, deviceId: id, kind };
  }
}

@Module({ controllers: [ObligingRegistry] })
class ObligingRegistryModule {}

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Shown by the client; then it speaks HTTPS. */
  readonly client?: TestCertificate;
  /** Which entrance; default: the first. */
  readonly profile?: string;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

/** What a bridge to the cloud answers to the question for a token; undefined: nothing. */
export type TokenAnswer = (prefix: string) => string | undefined;

/** The service `c8y-proxy` on a real broker, and a cloud. The bridge between them passes questions for tokens only. */
export class ProxySite implements AsyncDisposable {
  /** Questions for a token that have come to the bridge. */
  tokenRequests = 0;
  answerToken: TokenAnswer;
  private readonly opened = new AsyncDisposableStack();
  private proxy: ProxyEntrances | undefined;
  private bridge: MqttSession | undefined;

  private constructor(
    readonly cloud: FakeCloud,
    readonly directory: TemporaryDirectory,
    readonly context: TestContext,
    readonly entrances: Entrances,
  ) {
    this.answerToken = () => `71,${cloud.tokens.issue('gateway01')}`;
  }

  /** @param lines of tedge.toml, beyond those with which the proxy reaches the cloud */
  static async open(cloud: FakeCloud, lines: readonly string[] = [], own: readonly string[] = []): Promise<ProxySite> {
    const directory = temporaryDirectory('sallyport-proxy-');
    const context = await openTestContext(directory.path, 'c8y-proxy');
    const site = new ProxySite(cloud, directory, context, new Entrances(context));
    site.opened.use(directory);
    site.opened.defer(() => closeTestContext(context));
    site.opened.defer(() => site.entrances.beforeApplicationShutdown());
    await site.entrances.onModuleInit();
    const registry = await startRegistry(context);
    site.opened.defer(() => registry.close());
    const bridge = await site.startBridge();
    site.opened.defer(() => bridge.close());
    await site.configure(lines, own);
    return site;
  }

  /** Starts the service. @throws Problem as it says */
  async start(): Promise<this> {
    const sessions = new MqttSessions(this.context.mqttConnection, 'c8y-proxy');
    const proxy = new ProxyEntrances(this.context, sessions, this.entrances);
    this.proxy = proxy;
    await proxy.onApplicationBootstrap();
    return this;
  }

  /** Writes both settings files. */
  async configure(lines: readonly string[], own: readonly string[] = []): Promise<void> {
    const { cloud, directory } = this;
    const isSet = (key: string) => [...lines, ...own].some((line) => line.startsWith(`${key} `));
    const usual = [
      'device.id = "gateway01"',
      'c8y.proxy.bind.port = 0',
      `c8y.url = "localhost"`,
      `c8y.http = "localhost:${cloud.api.port}"`,
      `c8y.root_cert_path = "${cloud.caPath}"`,
      ...(await this.identityLines()),
    ].filter((line) => !isSet(line.split(' ')[0] ?? ''));
    const connections = isSet('cloud.connections') ? [] : ['cloud.connections = ["c8y"]'];
    await writeFile(directory.file('tedge.toml'), [...usual, ...lines, ''].join('\n'));
    await writeFile(directory.file('sallyport.toml'), [...connections, ...own, ''].join('\n'));
    await this.context.reloadSettings();
  }

  private async identityLines(): Promise<string[]> {
    const { certPath, keyPath } = await this.cloud.deviceCa.issue({ commonName: 'gateway01' });
    return [`device.cert_path = "${certPath}"`, `device.key_path = "${keyPath}"`];
  }

  describe(profile?: string): EntranceDescription {
    const found = this.entrances.describe().find((entrance) => entrance.profile === profile);
    if (found === undefined) throw new Error('the entrance is not open');
    return found;
  }

  get port(): number {
    return this.describe().port;
  }

  /** Sends one request on a connection of its own. The path is sent as it is. */
  async ask(path: string, asked: Asked = {}): Promise<Answered> {
    const { method = 'GET', headers = {}, body, client, profile } = asked;
    const { port } = this.describe(profile);
    const options = { host: '127.0.0.1', port, path, method, headers, agent: false };
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const sent =
      client === undefined
        ? plainRequest(options, resolve)
        : tlsRequest({ ...options, rejectUnauthorized: false, cert: client.certPem, key: client.keyPem }, resolve);
    sent.once('error', reject);
    sent.end(body);
    const reply = await promise;
    return { status: reply.statusCode ?? 0, headers: reply.headers, text: await text(reply) };
  }

  /** The registry announces a change of a device. */
  announce(device: string, state: DeviceState): Promise<void> {
    const change = { deviceId: deviceId.parse(device), state, fingerprints: [], changedAt: new Date().toISOString() };
    return publishEvent(this.context.mqtt, deviceChanged, change);
  }

  /** Somebody leaves an answer with the broker, which sends it to each new subscriber. */
  async keepToken(prefix: string, answer: string): Promise<void> {
    await this.bridge?.publish(`${prefix}/s/dat`, answer, { retain: true });
  }

  metrics(): Promise<string> {
    return this.context.metrics.metrics();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.opened.disposeAsync();
    this.proxy?.onApplicationShutdown();
  }

  /** Answers as the bridge would, when the cloud has answered it. */
  private async startBridge(): Promise<MqttSession> {
    const bridge = openMqttSession(
      { ...this.context.mqttConnection, clientId: 'bridge' },
      {
        isDurable: false,
        filters: [{ filter: '+/s/uat', qos: 0 }],
        onMessage: async ({ topic }) => {
          this.tokenRequests += 1;
          const [prefix = ''] = topic.split('/');
          const answer = this.answerToken(prefix);
          if (answer !== undefined) await bridge.publish(`${prefix}/s/dat`, answer, { qos: 0 });
        },
      },
    );
    await bridge.connected(10_000);
    this.bridge = bridge;
    return bridge;
  }
}

async function startRegistry(context: TestContext): Promise<INestMicroservice> {
  const strategy = mqttRpcServer(context.mqttConnection);
  const registry = await NestFactory.createMicroservice(ObligingRegistryModule, { strategy, logger: false });
  await registry.listen();
  return registry;
}
