/** One packet as aedes hands it over and takes it back. */
export interface StoredPacket {
  readonly cmd: 'publish' | 'pubrel';
  readonly topic?: string;
  readonly payload?: Buffer;
  readonly qos?: number;
  readonly retain?: boolean;
  messageId?: number | undefined;
  readonly brokerId?: string | undefined;
  readonly brokerCounter?: number | undefined;
  /** Key of the copy in the journal. The copy is removed when the message is acknowledged. */
  readonly journalKey?: string | undefined;
}

export interface StoredSubscription {
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
}

export interface QueueLimits {
  readonly queuedMessages: number;
  readonly queuedBytes: number;
}

/** Memory that several sessions share, in bytes. */
export interface SharedMemory {
  used: number;
  readonly limit: number;
}

/**
 * What the broker keeps for a client that wants its session kept: subscriptions, and messages it has not acknowledged.
 */
export class BrokerSession {
  readonly subscriptions = new Map<string, StoredSubscription>();
  /** In the order they were published; the key is the name of the message inside the broker. */
  private readonly queue = new Map<string, StoredPacket>();
  /** Name of the message by the packet identifier it was sent with. */
  private readonly sent = new Map<number, string>();
  private bytes = 0;

  constructor(
    readonly name: string,
    private readonly limits: QueueLimits,
    private readonly shared: SharedMemory = { used: 0, limit: Number.POSITIVE_INFINITY },
  ) {}

  /** Messages in the order they were published. */
  get unacknowledged(): Iterable<StoredPacket> {
    return this.queue.values();
  }

  get isEmpty(): boolean {
    return this.queue.size === 0;
  }

  /** Keeps a message until it is acknowledged; false when the session is full and the message was dropped. */
  enqueue(packet: StoredPacket): boolean {
    const size = sizeOf(packet);
    if (this.queue.size >= this.limits.queuedMessages || this.bytes + size > this.limits.queuedBytes) return false;
    if (this.shared.used + size > this.shared.limit) return false;
    this.queue.set(nameOf(packet), { ...packet });
    this.grow(size);
    return true;
  }

  /** Gives back the memory of a session that ends. */
  end(): void {
    this.grow(-this.bytes);
  }

  /**
   * Notes under which packet identifier a message was sent, or that its QoS 2 handshake went on.
   *
   * @returns false when there is no such message
   * @throws Error when another message still has that identifier; its acknowledgement would count for the wrong one
   */
  update(packet: StoredPacket): boolean {
    const { messageId } = packet;
    if (messageId === undefined) return false;
    const message = this.queue.get(nameOf(packet));
    if (message !== undefined) {
      this.checkIdentifier(messageId, nameOf(packet));
      message.messageId = messageId;
      this.sent.set(messageId, nameOf(packet));
      return true;
    }
    const name = this.sent.get(messageId);
    const former = name === undefined ? undefined : this.queue.get(name);
    if (name === undefined || former === undefined) return false;
    this.grow(sizeOf(packet) - sizeOf(former));
    this.queue.set(name, { ...packet });
    return true;
  }

  /**
   * At each connection aedes counts identifiers from a random start. Messages that wait keep the identifiers of the
   * connection before. So two messages can get the same one. The connection then ends, and the next has another start.
   *
   * @see MQTT 3.1.1 [MQTT-2.3.1-2]
   */
  private checkIdentifier(messageId: number, name: string): void {
    const holder = this.sent.get(messageId);
    if (holder === undefined || holder === name || this.queue.get(holder)?.messageId !== messageId) return;
    throw new Error(`the packet identifier ${messageId} belongs to a message that is not acknowledged yet`);
  }

  /** Forgets a message its client acknowledged. */
  acknowledge(messageId: number | undefined): StoredPacket | undefined {
    // A message that was not sent yet has no identifier. An acknowledgement without one must not match it.
    const name = messageId === undefined ? undefined : this.sent.get(messageId);
    const message = name === undefined ? undefined : this.queue.get(name);
    if (name === undefined || messageId === undefined || message === undefined) return undefined;
    this.sent.delete(messageId);
    this.queue.delete(name);
    this.grow(-sizeOf(message));
    return message;
  }

  private grow(bytes: number): void {
    this.bytes += bytes;
    this.shared.used += bytes;
  }
}

function nameOf({ brokerId, brokerCounter }: StoredPacket): string {
  return `${brokerId}:${brokerCounter}`;
}

// Memory of the objects around a payload, roughly. Without it empty messages would count as free.
const packetOverheadBytes = 200;

/** What a message costs in memory, in bytes. */
export function sizeOf({ topic = '', payload }: StoredPacket): number {
  return packetOverheadBytes + topic.length + (payload?.length ?? 0);
}
