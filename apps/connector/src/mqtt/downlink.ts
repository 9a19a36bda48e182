import { encodePublish, type Frame, type ProtocolVersion, wholeFrame } from '@sallyport/mqtt-wire';
import type { Point } from '@sallyport/twin';
import { commandTopicOf } from './device-topics.js';

export interface DownlinkOptions {
  readonly version: ProtocolVersion;
  /** Commands that the device may leave unacknowledged at a time. */
  readonly window: number;
  /** Largest packet that the device takes. */
  readonly largestBytes: number;
  readonly send: (frame: Frame) => void;
  /** A command that this device can never get: its packet is too large, or its alias cannot stand in a topic. */
  readonly onUndeliverable: (command: Point) => void;
}

const mostPacketId = 65_535;

/**
 * The values that were set for a device, on their way to it at QoS 1. Of each alias only the newest counts, so what
 * waits is never more than the device has aliases.
 *
 * That the device has acknowledged the packet says only that it came. The device answers by writing the value; until
 * then its next session gets it again.
 */
export class Downlink {
  private readonly waiting = new Map<string, Point>();
  private readonly inFlight = new Set<number>();
  /** Of each alias the time of the newest command that was taken. */
  private readonly newest = new Map<string, number>();
  private lastPacketId = 0;

  constructor(private readonly options: DownlinkOptions) {}

  /** Sends a command now or later, unless it, or a newer one, was taken before. */
  offer(command: Point): void {
    const { alias, atMicros } = command;
    if (atMicros <= (this.newest.get(alias) ?? 0)) return;
    this.newest.set(alias, atMicros);
    this.waiting.delete(alias);
    this.waiting.set(alias, command);
    this.flush();
  }

  /** The device has written the value itself, so what was set before is out of date. */
  written(alias: string): void {
    this.waiting.delete(alias);
  }

  acknowledge(packetId: number): void {
    if (this.inFlight.delete(packetId)) this.flush();
  }

  private flush(): void {
    for (const [alias, command] of this.waiting) {
      if (this.inFlight.size >= this.options.window) return;
      this.waiting.delete(alias);
      this.deliver(command);
    }
  }

  private deliver(command: Point): void {
    const { version, largestBytes, send, onUndeliverable } = this.options;
    const topic = commandTopicOf(command.alias, command.atMicros);
    const packetId = this.freePacketId();
    const bytes = topic === undefined ? undefined : packetOf({ ...command, topic, packetId }, version);
    if (bytes === undefined || bytes.length > largestBytes) {
      onUndeliverable(command);
      return;
    }
    this.inFlight.add(packetId);
    send(wholeFrame(bytes));
  }

  /** The window is far smaller than the number of identifiers. */
  private freePacketId(): number {
    do this.lastPacketId = (this.lastPacketId % mostPacketId) + 1;
    while (this.inFlight.has(this.lastPacketId));
    return this.lastPacketId;
  }
}

interface CommandPacket {
  readonly topic: string;
  readonly value: string;
  readonly packetId: number;
}

function packetOf({ topic, value, packetId }: CommandPacket, version: ProtocolVersion): Buffer {
  const flags = { qos: 1, retain: false, isDuplicate: false, properties: undefined } as const;
  return encodePublish({ type: 'publish', topic, payload: Buffer.from(value), packetId, ...flags }, version);
}
