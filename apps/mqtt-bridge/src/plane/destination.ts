import { type PublishView, sizeOfVariableInteger, writeVariableInteger } from '@sallyport/mqtt-wire';
import type { BridgeLimits } from './bridge-types.js';
import type { BrokerConnection } from './broker-connection.js';
import { passingProperties } from './passing-properties.js';

const publishHeader = 0x30;
const retainBit = 0x01;
const none = Buffer.alloc(0);
const noProperties = Buffer.from([0]);

/** From this size on, a payload goes out from the chunk it came in. What is copied has to be collected. */
const leastUncopiedBytes = 4_096;

/** One connection that messages are forwarded to: what its broker takes, and how much of it is unacknowledged. */
export class Destination {
  /** False until its own subscriptions are confirmed: an answer to what is forwarded would be missed. */
  isOpen = false;
  inFlight = 0;
  /** 1 for each slot of the ring whose message went here and is not acknowledged. */
  readonly slots: Uint8Array;
  /** The message that was prepared last: its QoS and its length, and when it is written its bytes. */
  qos = 0;
  length = 0;
  page: Buffer = none;
  /** Where its payload is, until it is acknowledged. */
  payloadStart = 0;
  payloadEnd = 0;
  /** When bytes that had waited were sent last. */
  movedAtMs = Number.NEGATIVE_INFINITY;
  private sentBytes = 0;
  private wasUnsent = false;
  private view: PublishView | undefined;
  private target: Buffer = none;
  private properties: Buffer = none;
  private bodyBytes = 0;
  private readonly window: number;
  private readonly largest: number;

  /** @param largestPublishBytes of the settings; the broker may take less */
  constructor(
    readonly connection: BrokerConnection,
    private readonly limits: BridgeLimits,
    largestPublishBytes = Number.POSITIVE_INFINITY,
  ) {
    this.slots = new Uint8Array(32_768);
    this.window = Math.min(limits.windowMessages, connection.peer.receiveMaximum);
    this.largest = Math.min(largestPublishBytes, connection.peer.largestPacketBytes);
  }

  /** Notes whether bytes that the system had not taken are on their way now. Called at intervals. */
  observe(nowMs: number): void {
    const { sentBytes, unsentBytes } = this.connection.output;
    if (sentBytes !== this.sentBytes && (unsentBytes > 0 || this.wasUnsent)) this.movedAtMs = nowMs;
    this.sentBytes = sentBytes;
    this.wasUnsent = unsentBytes > 0;
  }

  /** In bytes, with the fixed header. */
  get largestPublishBytes(): number {
    return this.largest;
  }

  /** A broker of MQTT 3.1.1 cannot be told to keep our own messages back. */
  get sendsEchoes(): boolean {
    return this.connection.version !== 5;
  }

  canTake(qos: number): boolean {
    if (!this.isOpen || this.connection.unsentBytes >= this.limits.unsentBytes) return false;
    return qos === 0 || this.inFlight < this.window;
  }

  /**
   * Works out what a message becomes here, for `write`.
   *
   * @param waitedMs how long it was held
   * @returns false when it has expired
   */
  prepare(view: PublishView, target: Buffer, waitedMs: number): boolean {
    const properties = this.propertiesOf(view, waitedMs);
    if (properties === undefined) return false;
    this.view = view;
    this.target = target;
    this.properties = properties;
    this.qos = Math.min(view.qos, this.connection.peer.highestQos, 1);
    this.bodyBytes = 2 + target.length + 2 * this.qos + properties.length + view.end - view.payloadStart;
    this.length = 1 + sizeOfVariableInteger(this.bodyBytes) + this.bodyBytes;
    return true;
  }

  /** @param packetId unused with QoS 0 */
  write(packetId: number): void {
    const { view, target, properties, qos } = this;
    if (view === undefined) throw new Error('No message is prepared.');
    const { output, peer } = this.connection;
    const payloadBytes = view.end - view.payloadStart;
    const isCopied = payloadBytes < leastUncopiedBytes;
    const start = output.reserve(isCopied ? this.length : this.length - payloadBytes);
    const { page } = output;
    page[start] = publishHeader | (qos << 1) | (view.isRetained && peer.takesRetained ? retainBit : 0);
    let at = writeVariableInteger(page, this.bodyBytes, start + 1);
    at = writeUint16(page, target.length, at);
    page.set(target, at);
    at += target.length;
    if (qos > 0) at = writeUint16(page, packetId, at);
    page.set(properties, at);
    at += properties.length;
    if (isCopied) view.bytes.copy(page, at, view.payloadStart, view.end);
    else output.append(view.bytes.subarray(view.payloadStart, view.end));
    this.page = isCopied ? page : view.bytes;
    this.payloadStart = isCopied ? at : view.payloadStart;
    this.payloadEnd = this.payloadStart + payloadBytes;
  }

  /** As they stand in front of the payload; undefined when the message has expired. */
  private propertiesOf(view: PublishView, waitedMs: number): Buffer | undefined {
    const isMqtt5 = this.connection.version === 5;
    if (!view.hasProperties) return isMqtt5 ? noProperties : none;
    const passing = passingProperties(view, waitedMs);
    return passing === undefined || isMqtt5 ? passing : none;
  }
}

function writeUint16(page: Buffer, value: number, at: number): number {
  page[at] = value >> 8;
  page[at + 1] = value & 0xff;
  return at + 2;
}
