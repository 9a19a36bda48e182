import { encodePacket, encodePublish, protocolError, reasonCodes } from '@sallyport/mqtt-wire';
import type { Greeting } from './bridge-types.js';
import type { TurnOutput } from './turn-output.js';

/** An answer with reason codes: SUBACK, UNSUBACK or PUBACK. */
type Answer = (reasonCodes: readonly number[]) => void;

// Messages that are forwarded have the identifiers below.
const firstRequestId = 32_769;
const lastRequestId = 65_535;

/** Whether a packet identifier is one of a request, not of a message that is forwarded. */
export function isOfRequest(packetId: number): boolean {
  return packetId >= firstRequestId;
}

/** What the bridge itself asks of a broker. When the connection ends, the promises stay open. */
export class BrokerRequests {
  private readonly answers = new Map<number, Answer>();
  private nextId = firstRequestId;

  constructor(
    private readonly output: TurnOutput,
    private readonly version: 4 | 5,
  ) {}

  /**
   * @param unheard filters whose retained messages are wanted although the subscription exists
   * @returns one reason code for each filter, in order
   */
  subscribe(filters: readonly string[], unheard: ReadonlySet<string> = new Set()): Promise<readonly number[]> {
    const packetId = this.takeId();
    const subscriptions = filters.map((filter) => ({
      filter,
      qos: 1 as const,
      // Who publishes and subscribes over one connection does not want to hear itself.
      noLocal: !filter.startsWith('$share/'),
      retainAsPublished: true,
      // Retained messages once, not after each reconnect.
      retainHandling: unheard.has(filter) ? (0 as const) : (1 as const),
    }));
    const packet = { type: 'subscribe', packetId, subscriptions, properties: undefined } as const;
    this.output.add(encodePacket(packet, this.version));
    return this.answerTo(packetId, filters.length);
  }

  /** @returns one reason code for each filter; none before MQTT 5 */
  unsubscribe(filters: readonly string[]): Promise<readonly number[]> {
    const packetId = this.takeId();
    const packet = { type: 'unsubscribe', packetId, filters, properties: undefined } as const;
    this.output.add(encodePacket(packet, this.version));
    return this.answerTo(packetId, this.version === 5 ? filters.length : 0);
  }

  /**
   * Publishes a message of our own at QoS 1.
   *
   * @returns the reason code of its PUBACK
   */
  async publish(message: Greeting): Promise<number> {
    const packetId = this.takeId();
    const flags = { qos: 1, isDuplicate: false } as const;
    const packet = { type: 'publish', ...message, ...flags, packetId, properties: undefined } as const;
    this.output.add(encodePublish(packet, this.version));
    const [reasonCode = reasonCodes.success] = await this.answerTo(packetId, 1);
    return reasonCode;
  }

  /** @throws PacketError for an answer that nobody waits for, and for one that does not fit */
  answer(packetId: number, codes: readonly number[]): void {
    const answer = this.answers.get(packetId);
    if (answer === undefined) throw protocolError(`an acknowledgement came for ${packetId}, which waits for none`);
    answer(codes);
  }

  /** The connection is over. */
  forget(): void {
    this.answers.clear();
  }

  private answerTo(packetId: number, count: number): Promise<readonly number[]> {
    return new Promise((resolve) => {
      this.answers.set(packetId, (codes) => {
        if (codes.length !== count) throw protocolError(`${codes.length} reason codes came for ${count} requests`);
        this.answers.delete(packetId);
        resolve(codes);
      });
    });
  }

  private takeId(): number {
    for (let tries = firstRequestId; tries <= lastRequestId; tries += 1) {
      const packetId = this.nextId;
      this.nextId = packetId === lastRequestId ? firstRequestId : packetId + 1;
      if (!this.answers.has(packetId)) return packetId;
    }
    throw new Error('The broker leaves 32,767 requests unanswered.');
  }
}
