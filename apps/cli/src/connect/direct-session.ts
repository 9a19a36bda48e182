import type { Socket } from 'node:net';
import { type CloudConnection, dialCloud, type IdentityFiles, mqttLogin } from '@sallyport/cloud';
import { within } from '@sallyport/concurrency';
import { encodeConnect, encodePublish, encodeReason, type MqttPacket, PacketReader } from '@sallyport/mqtt-wire';

export interface DirectOptions {
  readonly signal: AbortSignal;
  /** A certificate to try out; default: that of the settings. */
  readonly identity?: IdentityFiles;
}

/** The broker of a cloud answered CONNECT and refused it (MQTT 3.1.1 §3.2.2.3). */
export class CloudRefusal extends Error {
  override readonly name = 'CloudRefusal';

  constructor(readonly returnCode: number) {
    super(`the broker refused the connection with return code ${returnCode}`);
  }
}

const version = 4;
// As thin-edge.io waits for answers of Cumulocity.
const answerDeadlineMs = 10_000;
const largestBytes = 262_144;
const keepAliveSeconds = 30;
const onlyPacketId = 1;

/**
 * A short MQTT session with the broker of a cloud, past the bridge. The cloud knows it by the id of this device, so it
 * ends the session of a bridge that is connected.
 */
export class DirectSession {
  private readonly reader = new PacketReader({ sender: 'server', version, largestBytes });

  private readonly chunks: AsyncIterator<Buffer>;

  private constructor(
    private readonly socket: Socket,
    private readonly signal: AbortSignal,
  ) {
    this.chunks = socket[Symbol.asyncIterator]();
  }

  /**
   * Connects as this device.
   *
   * @throws Problem, CloudDialError: see `dialCloud`
   * @throws CloudRefusal: the broker does not let this device in
   * @throws the error of the socket, which `explainCloudFault` explains
   */
  static async open(connection: CloudConnection, { signal, identity }: DirectOptions): Promise<DirectSession> {
    const { clientId, username: userName, password } = await mqttLogin(connection);
    const socket = await dialCloud(connection, {
      endpoint: 'mqtt',
      signal,
      ...(identity === undefined ? {} : { identity }),
    });
    const session = new DirectSession(socket, signal);
    const connect = encodeConnect({
      type: 'connect',
      version,
      clientId,
      // A session that the cloud keeps holds messages for the bridge.
      isClean: connection.isCleanSession,
      keepAliveSeconds,
      will: undefined,
      userName,
      password: password === undefined ? undefined : Buffer.from(password),
      properties: undefined,
    });
    const connack = await session.ask(connect, (packet) => packet.type === 'connack');
    if (connack.type !== 'connack' || connack.reasonCode === 0) return session;
    session.close();
    throw new CloudRefusal(connack.reasonCode);
  }

  /** Publishes at QoS 1; resolves when the cloud has acknowledged it. */
  async publish(topic: string, payload: string): Promise<void> {
    const publish = encodePublish(
      {
        type: 'publish',
        topic,
        payload: Buffer.from(payload),
        qos: 1,
        retain: false,
        isDuplicate: false,
        packetId: onlyPacketId,
        properties: undefined,
      },
      version,
    );
    await this.ask(publish, (packet) => packet.type === 'puback' && packet.packetId === onlyPacketId);
  }

  /** Says goodbye. Safe to call twice. */
  close(): void {
    this.socket.on('error', ignore);
    this.socket.end(encodeReason({ type: 'disconnect', reasonCode: 0, properties: undefined }, version));
    this.socket.destroySoon();
  }

  private async ask(frame: Buffer, isAnswer: (packet: MqttPacket) => boolean): Promise<MqttPacket> {
    const late = () => Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' });
    this.socket.write(frame);
    try {
      return await within(this.answer(isAnswer), answerDeadlineMs, { late, signal: this.signal });
    } catch (error) {
      this.socket.on('error', ignore).destroy();
      throw error;
    }
  }

  private async answer(isAnswer: (packet: MqttPacket) => boolean): Promise<MqttPacket> {
    for (;;) {
      for (let packet = this.reader.next(); packet !== undefined; packet = this.reader.next())
        if (isAnswer(packet)) return packet;
      const { done, value } = await this.chunks.next();
      if (done === true) throw Object.assign(new Error('the broker closed the connection'), { code: 'ECONNRESET' });
      this.reader.push(value);
    }
  }
}

function ignore(): void {}
