import { copyFile, rm, writeFile } from 'node:fs/promises';
import { type Daemon, startDaemon } from '../daemon.js';
import { freePort } from '../free-port.js';
import { publishPacket, RawMqtt } from '../raw-mqtt.js';
import { mustRun } from '../run-program.js';
import { type TemporaryDirectory, temporaryDirectory } from '../temporary-directory.js';
import type { TestCertificate } from '../test-ca.js';
import { waitFor } from '../wait-for.js';
import { TcpFront } from './tcp-front.js';

/** A message that a device published. */
export interface CloudMessage {
  /** The declared device; without declared devices, the client that connected last. */
  readonly device: string;
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
}

export interface CloudUser {
  readonly name: string;
  readonly password: string;
}

export interface BrokerOptions {
  readonly certificate: TestCertificate;
  /** A directory of certificates, named by OpenSSL's hashes. */
  readonly trustedPath: string;
  /** Default: a free one. */
  readonly port?: number;
  /** The only device that may speak; absent, any trusted one may. */
  readonly device?: string;
  /** Devices come with user name and password instead of a certificate. */
  readonly users?: readonly CloudUser[];
  /** Takes each message, after it was recorded. */
  readonly onMessage: (message: CloudMessage, broker: CloudBroker) => void;
}

const isRoot = process.getuid?.() === 0;

/** The MQTT half of the fake cloud for one device: Mosquitto with TLS, behind a port that can fail. */
export class CloudBroker implements AsyncDisposable {
  /** Every message of the devices, oldest first. */
  readonly messages: CloudMessage[] = [];
  private readonly own: string[] = [];
  private nextPacketId = 1;
  private isClosed = false;
  private turn: Promise<void> = Promise.resolve();
  private tenant: RawMqtt | undefined;
  private daemon: Daemon | undefined;

  private constructor(
    private readonly options: BrokerOptions,
    private readonly directory: TemporaryDirectory,
    private readonly backPort: number,
    /** The network in front of the port: cut it, let it hang. */
    readonly link: TcpFront,
  ) {}

  static async start(options: BrokerOptions): Promise<CloudBroker> {
    const directory = temporaryDirectory('sallyport-cloud-');
    const backPort = await freePort();
    const broker = new CloudBroker(options, directory, backPort, await TcpFront.open(() => backPort, options.port));
    try {
      await broker.showCertificate(options.certificate);
      await broker.start();
      return broker;
    } catch (error) {
      await broker[Symbol.asyncDispose]();
      throw error;
    }
  }

  get port(): number {
    return this.link.port;
  }

  /** Payloads that came on this topic, as text. */
  received(topic: string): string[] {
    return this.messages.filter((message) => message.topic === topic).map(({ payload }) => payload.toString());
  }

  /** Everything Mosquitto has logged since it was started last: connects with client id and user name too. */
  log(): string {
    return this.daemon?.output() ?? '';
  }

  /** Publishes as the tenant does, for instance an operation on `s/ds`. */
  send(topic: string, payload: string | Buffer, { qos = 1 }: { readonly qos?: 0 | 1 } = {}): void {
    if (this.tenant === undefined) throw new Error('The broker of the fake cloud is not running.');
    const message = { topic, payload: Buffer.from(payload) };
    this.own.push(nameOf(message));
    this.nextPacketId = (this.nextPacketId % 60_000) + 1;
    this.tenant.write([publishPacket(qos === 0 ? message : { ...message, packetId: this.nextPacketId })]);
  }

  /** Ends Mosquitto as a crash does. Its sessions are gone. */
  kill(): Promise<void> {
    return this.inTurn(async () => {
      await this.daemon?.kill();
      await this.gone();
    });
  }

  /** Starts Mosquitto again, on the same port. */
  restart(): Promise<void> {
    return this.inTurn(async () => {
      await this.daemon?.stop();
      await this.gone();
      if (!this.isClosed) await this.start();
    });
  }

  get isRunning(): boolean {
    return this.daemon !== undefined;
  }

  /** Shows another certificate to the clients that connect from now on. */
  async showCertificate({ chainPath, keyPath }: TestCertificate): Promise<void> {
    await copyFile(chainPath, this.directory.file('cert.pem'));
    await copyFile(keyPath, this.directory.file('key.pem'));
    const { daemon } = this;
    if (daemon === undefined) return;
    const reloads = (): number => daemon.output().split('Reloading config').length;
    const before = reloads();
    process.kill(daemon.pid, 'SIGHUP');
    await waitFor(() => reloads() > before, { what: 'Mosquitto to read its certificate again' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isClosed = true;
    await this.link[Symbol.asyncDispose]();
    await this.inTurn(async () => {
      await this.daemon?.stop();
      await this.gone();
    });
    await this.directory.remove();
  }

  /** One start or stop after the other: two starts at once would leave a Mosquitto that nobody ends. */
  private inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.turn.then(work);
    this.turn = done.catch(() => undefined);
    return done;
  }

  private async start(): Promise<void> {
    const [configPath, socketPath] = [this.directory.file('mosquitto.conf'), this.directory.file('tenant.sock')];
    await rm(socketPath, { force: true });
    await writeFile(configPath, (await this.configuration(socketPath)).join('\n'));
    this.daemon = await startDaemon({ program: 'mosquitto', port: this.backPort, args: () => ['-c', configPath] });
    const onMessage = this.take.bind(this);
    this.tenant = await RawMqtt.open({ socketPath }, { clientId: 'the-tenant' }, { onMessage });
    await this.tenant.subscribe('#', 1);
  }

  private async gone(): Promise<void> {
    await this.tenant?.ended;
    this.own.length = 0;
    this.tenant = undefined;
    this.daemon = undefined;
  }

  private take(message: { readonly topic: string; readonly payload: Buffer; readonly qos: number }): void {
    if (this.isOwn(message)) return;
    const device = this.options.device ?? this.lastClient();
    const taken = { device, topic: message.topic, payload: Buffer.from(message.payload), qos: message.qos };
    this.messages.push(taken);
    this.options.onMessage(taken, this);
  }

  /** What the tenant published comes back to it: MQTT 3.1.1 has no "no local". */
  private isOwn(message: { readonly topic: string; readonly payload: Buffer }): boolean {
    const index = this.own.indexOf(nameOf(message));
    if (index >= 0) this.own.splice(index, 1);
    return index >= 0;
  }

  /** Mosquitto does not say who published, so this is the client that connected last. */
  private lastClient(): string {
    const names = [...this.log().matchAll(/New client connected from \S+ as (\S+) \(.*u'/g)];
    return names.at(-1)?.[1] ?? 'unknown-device';
  }

  private async configuration(socketPath: string): Promise<string[]> {
    const { users, trustedPath, device } = this.options;
    const peers =
      users === undefined
        ? [`capath ${trustedPath}`, 'require_certificate true', 'use_identity_as_username true', 'allow_anonymous true']
        : ['allow_anonymous false', `password_file ${await this.passwordFile(users)}`];
    return [
      // If root starts it, it becomes user "mosquitto", who cannot read the files of the test.
      ...(isRoot ? ['user root'] : []),
      ...['per_listener_settings true', 'persistence false', 'max_queued_messages 0', 'set_tcp_nodelay true'],
      // Before the TCP port: when that accepts, the tenant's own socket is there too.
      ...[`listener 0 ${socketPath}`, 'allow_anonymous true'],
      `listener ${this.backPort} 127.0.0.1`,
      ...[`certfile ${this.directory.file('cert.pem')}`, `keyfile ${this.directory.file('key.pem')}`],
      ...[...peers, ...(device === undefined || users !== undefined ? [] : [`acl_file ${await this.aclFile(device)}`])],
      '',
    ];
  }

  private async aclFile(device: string): Promise<string> {
    const path = this.directory.file('acl');
    await writeFile(path, `user ${device}\ntopic readwrite #\n`, { mode: 0o600 });
    return path;
  }

  private async passwordFile(users: readonly CloudUser[]): Promise<string> {
    const path = this.directory.file('passwords');
    await writeFile(path, '', { mode: 0o600 });
    for (const { name, password } of users) await mustRun('mosquitto_passwd', ['-b', path, name, password]);
    return path;
  }
}

function nameOf({ topic, payload }: { readonly topic: string; readonly payload: Buffer }): string {
  return `${topic} ${payload.toString('base64')}`;
}
