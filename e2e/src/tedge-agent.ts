import { readFile } from 'node:fs/promises';
import { publishPacket, RawMqtt, type RawMqttMessage, waitFor } from '@sallyport/testkit';
import { z } from 'zod';
import type { Device } from './device.js';
import { type System, succeeded } from './system.js';

const snapshotCommand = z.object({ status: z.string(), tedgeUrl: z.string(), type: z.string() });

export interface TedgeAgentOptions {
  readonly system: System;
  readonly device: Device;
  /** The file it hands out as its configuration. */
  readonly configurationPath: string;
}

/**
 * Speaks as the tedge-agent 2.0.1 of a child device does, topic by topic and to the byte: client id, session, last will,
 * subscriptions, registration, capabilities, and how it carries out a command. Its MQTT is not ours.
 */
export class TedgeAgent implements AsyncDisposable {
  private readonly states = new Map<string, string>();
  private readonly acknowledged = new Set<number>();
  private working: Promise<void> = Promise.resolve();
  private nextPacketId = 1;

  private constructor(
    private readonly options: TedgeAgentOptions,
    private readonly mqtt: RawMqtt,
  ) {}

  /** Connects with the certificate of the device, subscribes, and says what tedge-agent says at its start. */
  static async start(options: TedgeAgentOptions): Promise<TedgeAgent> {
    const agent = await TedgeAgent.connect(options);
    await agent.subscribe();
    await agent.introduce();
    return agent;
  }

  private static async connect(options: TedgeAgentOptions): Promise<TedgeAgent> {
    const { system, device } = options;
    const [ca, cert, key] = await Promise.all(
      [device.caPath, device.certPath, device.keyPath].map((path) => readFile(path)),
    );
    const tls = { host: 'localhost', servername: 'localhost', ca, cert, key };
    const service = `te/device/${device.name}/service/tedge-agent`;
    const will = { topic: `${service}/status/health`, payload: health('down'), qos: 1, isRetained: true } as const;
    const clientId = `tedge-agent#te/device/${device.name}//`;
    const early: RawMqttMessage[] = [];
    const mqtt = await RawMqtt.open(
      { port: system.ports.mqtt, host: 'localhost', tls },
      { clientId, isClean: false, keepAliveSeconds: 60, will },
      { onMessage: (message) => void early.push({ ...message, payload: Buffer.from(message.payload) }) },
    );
    const agent = new TedgeAgent(options, mqtt);
    mqtt.onAcknowledged = (id) => void agent.acknowledged.add(id);
    mqtt.onMessage = (message) => agent.take(message);
    for (const message of early) agent.take(message);
    return agent;
  }

  /** Whether the broker had kept its session. */
  get isSessionPresent(): boolean {
    return this.mqtt.isSessionPresent;
  }

  /** Ends without a goodbye, as a device that loses its power. */
  async cut(): Promise<void> {
    this.mqtt.cut();
    await this.mqtt.ended;
    await this.working;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cut();
  }

  private get own(): string {
    return `te/device/${this.options.device.name}`;
  }

  private async subscribe(): Promise<void> {
    const service = `${this.own}/service/tedge-agent`;
    const filters = [
      `${this.own}///cmd/+/+`,
      `${this.own}///twin/+`,
      ...['cmd/health/check', 'signal/+', 'status/health', 'config'].map((channel) => `${service}/${channel}`),
    ];
    for (const filter of filters) {
      const granted = await this.mqtt.subscribe(filter, 1);
      if (granted !== 1) throw new Error(`The broker granted ${granted} for ${filter}.`);
    }
  }

  private async introduce(): Promise<void> {
    const { name } = this.options.device;
    const service = `${this.own}/service/tedge-agent`;
    const registration = `{"@parent":"device/${name}//","@type":"service","name":"tedge-agent","type":"service"}`;
    await this.retain(service, registration);
    await this.retain(`${service}/status/health`, health('up'));
    await this.retain(`${service}/config`, `{"mqtt.topic_root":"te","mqtt.device_topic_id":"device/${name}//"}`);
    await this.retain(`${this.own}///twin/agent`, '{"name":"thin-edge.io","version":"2.0.1"}');
    for (const operation of ['config_snapshot', 'config_update'])
      await this.capability(operation, '{"types":["app.conf"]}');
    await this.capability('log_upload', '{"types":["software-management"]}');
    for (const operation of ['software_list', 'software_update', 'restart', 'device_profile'])
      await this.capability(operation, '{}');
  }

  private capability(operation: string, payload: string): Promise<void> {
    return this.retain(`${this.own}///cmd/${operation}`, payload);
  }

  private async retain(topic: string, payload: string): Promise<void> {
    const packetId = this.nextPacketId++;
    this.mqtt.write([publishPacket({ topic, payload: Buffer.from(payload), packetId, isRetained: true })]);
    await waitFor(() => this.acknowledged.has(packetId), { what: `acknowledgement of ${topic}` });
  }

  private take({ topic, payload }: RawMqttMessage): void {
    const text = payload.toString();
    // The broker brings back what it says itself, and may bring anything twice.
    if (!topic.startsWith(`${this.own}///cmd/config_snapshot/`) || this.states.get(topic) === text) return;
    this.states.set(topic, text);
    const { data: command } = snapshotCommand.safeParse(text === '' ? undefined : JSON.parse(text));
    if (command?.status !== 'init') return;
    this.working = this.working.then(() => this.takeSnapshot(topic, command));
  }

  /** executing, HEAD, PUT, successful: as its uploader does. */
  private async takeSnapshot(topic: string, command: z.output<typeof snapshotCommand>): Promise<void> {
    const { system, device, configurationPath } = this.options;
    const say = (status: string, more = {}) => {
      const text = JSON.stringify({ ...command, ...more, status });
      this.states.set(topic, text);
      return this.retain(topic, text);
    };
    await say('executing');
    succeeded(await system.run('curl', [...device.curl, '--head', command.tedgeUrl]));
    succeeded(await system.run('curl', [...device.curl, '--fail', '-T', configurationPath, command.tedgeUrl]));
    await say('successful', { path: configurationPath });
  }
}

/** 29 bytes for the last will, as with a process id of five digits. */
function health(status: 'up' | 'down'): string {
  return status === 'down' ? '{"pid":41234,"status":"down"}' : '{"pid":41234,"status":"up","time":1780315200.5}';
}
