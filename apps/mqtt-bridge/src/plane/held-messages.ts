import type { FramePlace, PublishView } from '@sallyport/mqtt-wire';

/** A PUBLISH that waits: a copy, because its chunk holds many others. */
export interface HeldMessage extends FramePlace {
  readonly arrivedMs: number;
}

// A shift of a long array moves all of its elements, so the front is cut in pieces of this length.
const cutAfter = 1_024;

/** The messages of one direction that wait for their destination, in order. */
export class HeldMessages {
  /** Of all of them. */
  bytes = 0;
  private messages: (HeldMessage | undefined)[] = [];
  private head = 0;

  get length(): number {
    return this.messages.length - this.head;
  }

  get first(): HeldMessage | undefined {
    return this.messages[this.head];
  }

  add(view: PublishView, arrivedMs: number): void {
    const frameBytes = Buffer.from(view.bytes.subarray(view.start, view.end));
    this.bytes += frameBytes.length;
    // The packet identifier or the property length stands behind the topic, the topic behind its length.
    const bodyStart = view.topicStart - 2 - view.start;
    this.messages.push({ frameBytes, frameStart: 0, bodyStart, frameEnd: frameBytes.length, arrivedMs });
  }

  dropFirst(): void {
    this.bytes -= this.first?.frameEnd ?? 0;
    this.messages[this.head] = undefined;
    this.head += 1;
    if (this.head < cutAfter || this.head * 2 < this.messages.length) {
      if (this.head === this.messages.length) this.clear();
      return;
    }
    this.messages = this.messages.slice(this.head);
    this.head = 0;
  }

  private clear(): void {
    this.messages.length = 0;
    this.head = 0;
  }
}
