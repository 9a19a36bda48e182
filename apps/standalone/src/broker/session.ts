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
  /** Names the journal's copy, which is removed with the acknowledgement. */
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

/** What the broker keeps for a client that wants its session kept: subscriptions, and messages it has not acknowledged. */
export class BrokerSession {
  readonly subscriptions = new Map<string, StoredSubscription>();
  private queue: StoredPacket[] = [];
  private bytes = 0;

  constructor(
    readonly name: string,
    private readonly limits: QueueLimits,
  ) {}

  /** Messages in the order they were published. */
  get unacknowledged(): readonly StoredPacket[] {
    return this.queue;
  }

  /** Keeps a message until it is acknowledged; false when the session is full and the message was dropped. */
  enqueue(packet: StoredPacket): boolean {
    const size = sizeOf(packet);
    if (this.queue.length >= this.limits.queuedMessages || this.bytes + size > this.limits.queuedBytes) return false;
    this.queue.push({ ...packet });
    this.bytes += size;
    return true;
  }

  /**
   * Notes under which packet identifier a message was sent, or that its QoS 2 handshake went on.
   *
   * @returns false when there is no such message
   */
  update(packet: StoredPacket): boolean {
    const sent = this.queue.find((each) => isSameMessage(each, packet));
    if (sent !== undefined) {
      sent.messageId = packet.messageId;
      return true;
    }
    const index = this.queue.findIndex(({ messageId }) => messageId === packet.messageId);
    if (index < 0) return false;
    this.replace(index, { ...packet });
    return true;
  }

  /** Forgets a message its client acknowledged. */
  acknowledge(messageId: number | undefined): StoredPacket | undefined {
    // A message not sent yet has no identifier, and none is acknowledged by having none either.
    if (messageId === undefined) return undefined;
    const index = this.queue.findIndex((each) => each.messageId === messageId);
    return index < 0 ? undefined : this.replace(index);
  }

  private replace(index: number, ...replacement: StoredPacket[]): StoredPacket | undefined {
    const [removed] = this.queue.splice(index, 1, ...replacement);
    if (removed !== undefined) this.bytes -= sizeOf(removed);
    for (const packet of replacement) this.bytes += sizeOf(packet);
    return removed;
  }
}

function isSameMessage(one: StoredPacket, other: StoredPacket): boolean {
  return one.brokerId !== undefined && one.brokerId === other.brokerId && one.brokerCounter === other.brokerCounter;
}

// What the objects round a payload cost, roughly; so that empty messages are not free.
const packetOverheadBytes = 200;

function sizeOf({ topic = '', payload }: StoredPacket): number {
  return packetOverheadBytes + topic.length + (payload?.length ?? 0);
}
