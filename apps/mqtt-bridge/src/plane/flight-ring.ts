import type { TopicRoute } from './topic-routes.js';

const [free, sent, refused, done] = [0, 1, 2, 3];

/**
 * The messages of one direction that their source still keeps, in the order in which they came. A message that is done
 * is acknowledged to the source when all before it are done.
 *
 * A slot, plus one, is the packet identifier towards the destination: messages in flight have different slots.
 *
 * @see MQTT 5.0 §4.6 [MQTT-4.6.0-2]: acknowledgements go out in the order of the messages
 */
export class FlightRing {
  /** Slots, a power of two. */
  readonly capacity: number;
  private readonly mask: number;
  private readonly states: Uint8Array;
  private readonly sourceIds: Uint16Array;
  private readonly sourceQos: Uint8Array;
  private readonly sentAt: Float64Array;
  private readonly routes: (TopicRoute | undefined)[];
  private readonly pages: (Buffer | undefined)[];
  private readonly payloadStarts: Uint32Array;
  private readonly payloadEnds: Uint32Array;
  private readonly lengths: Uint32Array;
  private head = 0;
  private tail = 0;
  /** The message that was the oldest when it was overtaken. */
  private overtaken = -1;
  /** Done, and behind one that is not. */
  private doneCount = 0;

  /** @param messages it must have room for; at most 32,768, so that identifiers are left for other packets */
  constructor(messages: number) {
    this.capacity = 2 ** Math.min(15, Math.ceil(Math.log2(Math.max(2, messages))));
    this.mask = this.capacity - 1;
    this.states = new Uint8Array(this.capacity);
    this.sourceIds = new Uint16Array(this.capacity);
    this.sourceQos = new Uint8Array(this.capacity);
    this.sentAt = new Float64Array(this.capacity);
    this.routes = Array.from({ length: this.capacity });
    this.pages = Array.from({ length: this.capacity });
    this.payloadStarts = new Uint32Array(this.capacity);
    this.payloadEnds = new Uint32Array(this.capacity);
    this.lengths = new Uint32Array(this.capacity);
  }

  /** Messages that are not acknowledged to the source. */
  get length(): number {
    return this.tail - this.head;
  }

  get isFull(): boolean {
    return this.length === this.capacity;
  }

  /** Messages that the destination has not acknowledged. */
  get inFlight(): number {
    return this.length - this.doneCount;
  }

  /** When the oldest message was given to its destination; undefined without one. */
  get oldestSentAt(): number | undefined {
    return this.length === 0 ? undefined : this.sentAt[this.head & this.mask];
  }

  /** The slot of the oldest message, if there is one. */
  get oldestSlot(): number {
    return this.head & this.mask;
  }

  /** The destination of the oldest message has acknowledged a later one. */
  noteOvertaken(): void {
    this.overtaken = this.head;
  }

  get isOvertaken(): boolean {
    return this.overtaken === this.head;
  }

  /** @returns the slot of the message */
  add(sourceId: number, sourceQos: number, nowMs: number): number {
    const slot = this.tail & this.mask;
    this.tail += 1;
    this.states[slot] = sent;
    this.sourceIds[slot] = sourceId;
    this.sourceQos[slot] = sourceQos;
    this.sentAt[slot] = nowMs;
    return slot;
  }

  /** Remembers what was sent and where it is, for the case that it is refused. */
  keep(slot: number, route: TopicRoute, frame: Frame): void {
    this.routes[slot] = route;
    this.pages[slot] = frame.page;
    this.payloadStarts[slot] = frame.payloadStart;
    this.payloadEnds[slot] = frame.payloadEnd;
    this.lengths[slot] = frame.length;
  }

  isSent(slot: number): boolean {
    return this.states[slot] === sent;
  }

  routeOf(slot: number): TopicRoute | undefined {
    return this.routes[slot];
  }

  /** What was sent: a view. */
  payloadOf(slot: number): Buffer | undefined {
    return this.pages[slot]?.subarray(this.payloadStarts[slot], this.payloadEnds[slot]);
  }

  /** Bytes of the packet that was sent. */
  lengthOf(slot: number): number {
    return this.lengths[slot] ?? 0;
  }

  markRefused(slot: number): void {
    this.states[slot] = refused;
  }

  markDone(slot: number): void {
    this.states[slot] = done;
    this.pages[slot] = undefined;
    this.routes[slot] = undefined;
    this.doneCount += 1;
  }

  /** Takes the oldest message out if it is done, and leaves it in `takenId` and `takenQos`. */
  take(): boolean {
    const slot = this.head & this.mask;
    if (this.head === this.tail || this.states[slot] !== done) return false;
    this.states[slot] = free;
    this.takenId = this.sourceIds[slot] ?? 0;
    this.takenQos = this.sourceQos[slot] ?? 0;
    this.head += 1;
    this.doneCount -= 1;
    return true;
  }

  takenId = 0;
  takenQos = 0;
}

interface Frame {
  /** The payload is in here. */
  readonly page: Buffer;
  readonly payloadStart: number;
  readonly payloadEnd: number;
  readonly length: number;
}
