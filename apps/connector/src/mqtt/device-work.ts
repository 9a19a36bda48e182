import { isUtf8 } from 'node:buffer';
import { type PublishPacket, reasonCodes } from '@sallyport/mqtt-wire';
import { type DeviceId, Problem, type ResourceAlias } from '@sallyport/protocol';
import type { Point } from '@sallyport/twin';
import { parseBatch } from './batch.js';
import { type UplinkTopic, uplinkTopicOf } from './device-topics.js';
import { Downlink } from './downlink.js';
import type { SessionLink, SessionWork } from './session-work.js';
import { Uplink, type WriteOutcome } from './uplink.js';

/** The values of one device, as its session uses them. */
export interface DeviceValuesOverMqtt {
  /** Resolves when the value is durable. Calls take effect in order. */
  write(alias: ResourceAlias, value: string): Promise<void>;
  /** Writes values of former times, all or none. */
  record(points: readonly Point[]): Promise<void>;
  /**
   * Calls back with each value that is set for the device and that it has not written back: first those of before, then
   * each new one. Returns how to end that.
   */
  onCommand(listener: (command: Point) => void): () => void;
}

export interface DeviceWorkOptions {
  readonly device: DeviceId;
  readonly values: DeviceValuesOverMqtt;
}

/** The session of a device: what it publishes is written, what is set for it is sent to it. */
export class DeviceWork implements SessionWork {
  private readonly uplink: Uplink;
  private readonly downlink: Downlink;
  private readonly stopListening: () => void;
  private isHolding = false;
  private hasEnded = false;

  constructor(
    private readonly link: SessionLink,
    private readonly options: DeviceWorkOptions,
  ) {
    const { limits, terms } = link;
    this.uplink = new Uplink({
      mostWrites: limits.pendingWrites,
      mostBytes: limits.pendingBytes,
      onRoom: () => this.readOn(),
      onIdle: () => link.idle(),
    });
    this.downlink = new Downlink({
      ...terms,
      send: (frame) => link.send(frame, 0),
      onUndeliverable: ({ alias }) => link.note('a value cannot be sent to the device over MQTT', { alias }),
    });
    this.stopListening = this.listen();
  }

  get isIdle(): boolean {
    return this.uplink.isIdle;
  }

  publish(packet: PublishPacket): void {
    const topic = uplinkTopicOf(packet.topic);
    if (topic === undefined) this.link.refusePublication(packet, reasonCodes.topicNameInvalid, 'no such topic');
    else this.take(packet, topic);
  }

  acknowledge(packetId: number): void {
    this.downlink.acknowledge(packetId);
  }

  end(): void {
    this.hasEnded = true;
    this.stopListening();
  }

  /** A device that waits for values in too many ways is told to come again. */
  private listen(): () => void {
    try {
      return this.options.values.onCommand((command) => this.downlink.offer(command));
    } catch (error) {
      this.link.note('a device could not wait for values', { error });
      this.link.cut('it could not wait for values', reasonCodes.serverBusy);
      return () => undefined;
    }
  }

  private take(packet: PublishPacket, topic: UplinkTopic): void {
    if (topic.kind === 'value') this.write(packet, this.writeValue(topic.alias, packet.payload));
    else if (topic.kind === 'batch') this.write(packet, this.writeBatch(packet.payload));
    else if (topic.identity === this.options.device) this.write(packet, Promise.resolve(kept));
    else this.link.refusePublication(packet, reasonCodes.notAuthorized, 'another identity');
  }

  private write({ topic, payload, qos, packetId }: PublishPacket, ending: Promise<WriteOutcome>): void {
    const answer = (outcome: WriteOutcome) => this.answer(outcome, { topic, qos, packetId });
    this.uplink.add({ size: payload.length, answer }, ending);
    if (!this.uplink.isFull || this.isHolding) return;
    this.isHolding = true;
    this.link.hold();
  }

  private readOn(): void {
    if (!this.isHolding) return;
    this.isHolding = false;
    this.link.resume();
  }

  private async writeValue(alias: ResourceAlias, payload: Buffer): Promise<WriteOutcome> {
    if (!isUtf8(payload)) return notText;
    this.downlink.written(alias);
    return outcomeOf(this.options.values.write(alias, payload.toString('utf8')));
  }

  private async writeBatch(payload: Buffer): Promise<WriteOutcome> {
    if (!isUtf8(payload)) return notText;
    const points = parseBatch(payload.toString('utf8'));
    return points === undefined ? notBatch : outcomeOf(this.options.values.record(points));
  }

  /**
   * A value that would be refused again is acknowledged, also where the version has no word for the refusal: a client
   * that keeps it would send it for ever. For one that may be kept later the connection ends, so that the client sends
   * it again.
   */
  private answer(
    outcome: WriteOutcome,
    { topic, qos, packetId }: Pick<PublishPacket, 'topic' | 'qos' | 'packetId'>,
  ): void {
    const { link } = this;
    if (this.hasEnded) return;
    if (outcome.kind === 'failed') {
      link.note('a value of a device could not be kept', { error: outcome.error });
      link.cut('a value could not be kept', reasonCodes.serverBusy);
      return;
    }
    if (outcome.kind === 'rejected') link.note('a value of a device was rejected', { reason: outcome.reason, topic });
    const code = outcome.kind === 'kept' ? reasonCodes.success : reasonCodes.payloadFormatInvalid;
    if (qos === 1) link.send(link.answers.ack('puback', packetId, code), packetId);
  }
}

const kept: WriteOutcome = { kind: 'kept' };
const notText: WriteOutcome = { kind: 'rejected', reason: 'the payload is not UTF-8' };
const notBatch: WriteOutcome = { kind: 'rejected', reason: 'the payload is no batch of values' };

async function outcomeOf(writing: Promise<void>): Promise<WriteOutcome> {
  try {
    await writing;
    return kept;
  } catch (error) {
    const isOfValue = error instanceof Problem && error.status < 429;
    return isOfValue ? { kind: 'rejected', reason: error.message } : { kind: 'failed', error };
  }
}
