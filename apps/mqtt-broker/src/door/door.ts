import type { Duplex } from 'node:stream';
import { RepeatFilter } from '@sallyport/concurrency';
import { encodeConnect, encodeConnectRefusal, reasonCodes } from '@sallyport/mqtt-wire';
import { type BrokerStatus, deviceId, type MqttAccess, Problem, printable, userNameOf } from '@sallyport/protocol';
import { type Clock, type Log, reasonOf } from '@sallyport/runtime';
import { type Connection, networkOf } from '@sallyport/tls';
import type { BackSide } from './back-side.js';
import { ConnectRefused } from './connect-refused.js';
import type { DoorMetrics } from './door-metrics.js';
import { DoorSession } from './door-session.js';
import { type Greeting, readGreeting } from './greeting.js';
import { type Opening, readOpening } from './opening.js';
import { passingConnect } from './passing-connect.js';
import { SaveBarrier } from './save-barrier.js';

export interface DoorOptions {
  readonly backSide: BackSide;
  readonly access: MqttAccess;
  readonly metrics: DoorMetrics;
  readonly log: Log;
  readonly clock: Clock;
  /** From the first byte of a connection to the end of its CONNECT, in milliseconds; default 10 000. */
  readonly connectMs?: number;
  /** How long the broker may take to answer a CONNECT, in milliseconds; default 10 000. */
  readonly greetingMs?: number;
  /** Whether clients get what the broker sends only after the broker has saved its state; default false. */
  readonly waitsForSave?: boolean;
}

/** The session of the door itself. */
const ownConnect = {
  type: 'connect',
  version: 4,
  clientId: '',
  isClean: true,
  keepAliveSeconds: 0,
  will: undefined,
  userName: userNameOf({ role: 'service', name: deviceId.parse('mqtt-broker') }),
  password: undefined,
  properties: undefined,
} as const;

const defaultConnectMs = 10_000;
const defaultGreetingMs = 10_000;

// The first refusal of a client for a reason is logged at once, and then one a minute.
const logPeriodMs = 60_000;
const mostLogSources = 200;

/**
 * The door in front of a broker that knows nothing of our identities. It reads the CONNECT of each client, writes into it
 * who the client has proved to be, and opens a session with it at the back side of the broker. From then on it passes the
 * bytes of this session both ways without reading them. What the identity may do is decided by the broker, with access
 * rules made from the same table.
 */
export class Door {
  private readonly options: DoorOptions;
  private readonly repeats = new RepeatFilter({ periodMs: logPeriodMs, mostSources: mostLogSources });
  private readonly gate: SaveBarrier | undefined;
  private currentFault: string | undefined;

  constructor(options: DoorOptions) {
    this.options = options;
    if (options.waitsForSave === true) this.gate = new SaveBarrier(() => this.openOwnSession());
  }

  /** Why the broker could not be used when it was last asked; undefined while it can. */
  get fault(): string | undefined {
    return this.currentFault;
  }

  get status(): BrokerStatus {
    const { metrics, backSide } = this.options;
    return {
      behind: 'other',
      url: backSide.url,
      isReachable: this.currentFault === undefined,
      ...(this.currentFault === undefined ? {} : { fault: this.currentFault }),
      sessions: metrics.sessions,
      opened: metrics.opened,
      refusals: Object.fromEntries(metrics.refusals),
    };
  }

  /** The broker answered somebody else, such as this service. */
  noteReachable(): void {
    this.currentFault = undefined;
  }

  /** Serves an admitted connection until it ends. Never rejects. */
  async serve(connection: Connection): Promise<void> {
    connection.socket.on('error', () => connection.socket.destroy());
    let level: number | undefined;
    try {
      const opening = await readOpening(connection.socket, {
        deadlineMs: this.options.connectMs ?? defaultConnectMs,
        signal: connection.draining,
      });
      if (opening === undefined) return connection.close();
      level = opening.connect.version;
      await this.open(connection, opening);
    } catch (error) {
      this.refuse(connection, this.refusalFor(error), level);
    }
  }

  private async open(connection: Connection, { connect, rest }: Opening): Promise<void> {
    const { access, backSide } = this.options;
    const passing = passingConnect(connect, access.partyOf(connection.peer), access);
    const { broker, greeting } = await backSide.open(async (stream) => {
      stream.write(encodeConnect(passing.connect));
      const options = { version: connect.version, assignedClientId: passing.assignedClientId };
      return { broker: stream, greeting: await this.greet(stream, options) };
    });
    this.currentFault = undefined;
    if (greeting.connack.reasonCode !== 0) this.noteBrokerRefusal(connection, greeting);
    this.join(connection, broker, { connect, rest, greeting });
  }

  private async greet(
    stream: Duplex,
    options: Pick<Parameters<typeof readGreeting>[1], 'version' | 'assignedClientId'>,
  ): Promise<Greeting> {
    try {
      return await readGreeting(stream, { ...options, deadlineMs: this.options.greetingMs ?? defaultGreetingMs });
    } catch (cause) {
      const text = `The broker behind the door (${this.options.backSide.url}) does not serve.`;
      throw new Problem('unavailable', text, { cause });
    }
  }

  /** Both sides are paused until here. What came early on either side is passed first. */
  private join(
    connection: Connection,
    broker: Duplex,
    { connect, rest, greeting }: Pick<Opening, 'connect' | 'rest'> & { readonly greeting: Greeting },
  ): void {
    const { metrics } = this.options;
    if (connection.socket.destroyed) {
      broker.destroy();
      return;
    }
    metrics.sessionOpened();
    const session = new DoorSession({
      connection,
      broker,
      version: connect.version,
      ...(this.gate === undefined ? {} : { gate: this.gate }),
      onClosed: () => metrics.sessionClosed(),
    });
    session.start({ toBroker: [rest], toClient: greeting.bytes });
  }

  /** A session with the broker that only asks whether it is there. */
  private openOwnSession(): Promise<Duplex> {
    return this.options.backSide.open(async (stream) => {
      stream.write(encodeConnect(ownConnect));
      const { connack } = await this.greet(stream, { version: ownConnect.version, assignedClientId: undefined });
      if (connack.reasonCode !== 0) throw new Error(`the broker answered our CONNECT with code ${connack.reasonCode}`);
      return stream;
    });
  }

  private refusalFor(error: unknown): ConnectRefused {
    if (error instanceof ConnectRefused) return error;
    const detail = reasonOf(error);
    if (error instanceof Problem) this.currentFault = detail;
    return new ConnectRefused('broker-unavailable', reasonCodes.serverUnavailable, detail, { cause: error });
  }

  private refuse(connection: Connection, refusal: ConnectRefused, level: number | undefined): void {
    this.note(connection, refusal);
    const { socket } = connection;
    const spoken = refusal.level ?? level;
    // Without a version there are no words for an answer.
    const connack = spoken === undefined ? undefined : encodeConnectRefusal(spoken, refusal.reasonCode);
    if (connack !== undefined && socket.writable) socket.write(connack);
    // Read on and ignore it. Closing with unread bytes sends a reset, which may overtake the answer.
    socket.resume();
    connection.close();
  }

  /** The client gets the broker's own answer. */
  private noteBrokerRefusal(connection: Connection, { connack: { reasonCode } }: Greeting): void {
    const detail = `the broker answered CONNECT with code ${reasonCode}`;
    this.note(connection, new ConnectRefused('broker-refused', reasonCode, detail));
  }

  private note({ peer, remoteAddress }: Connection, { refusal, message }: ConnectRefused): void {
    const { metrics, log, clock } = this.options;
    metrics.refused(refusal);
    const source =
      refusal === 'broker-unavailable' ? refusal : `${refusal} ${peer?.deviceId ?? networkOf(remoteAddress)}`;
    const leftOut = this.repeats.pass(source, clock.now().getTime());
    if (leftOut === undefined) return;
    const fields = {
      reason: refusal,
      detail: printable(message),
      remoteAddress,
      ...(peer === undefined ? {} : { deviceId: peer.deviceId }),
      ...(leftOut > 0 ? { leftOut } : {}),
    };
    if (refusal === 'broker-unavailable')
      log.warn(fields, 'clients cannot be served, the broker behind the door is away');
    else log.info(fields, 'CONNECT refused');
  }
}
