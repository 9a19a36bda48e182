import { type DeviceId, Problem } from '@sallyport/protocol';

/** A body as small as this is not counted: it costs about as much as the head of its request. */
const uncountedBytes = 16 * 1024;
const mebibyte = 1024 * 1024;
/** Two bodies of the largest size. */
const mostOfDevice = 2 * mebibyte;
const mostOfAll = 128 * mebibyte;

/**
 * The memory of bodies that have not come whole. A device may have hundreds of connections, and take its time on each:
 * it must not take the memory of all others with them.
 */
export class BodyMemory {
  private readonly bytesOf = new Map<DeviceId, number>();
  private total = 0;

  /** The share of one body. Dispose of it when the body has been used. */
  begin(device: DeviceId): BodyShare {
    return new BodyShare((bytes) => this.take(device, bytes));
  }

  /** @throws Problem `rate-limited`, `unavailable`: nothing was taken */
  private take(device: DeviceId, bytes: number): void {
    const ofDevice = (this.bytesOf.get(device) ?? 0) + bytes;
    if (bytes > 0 && ofDevice > mostOfDevice)
      throw new Problem('rate-limited', 'The device sends too many large bodies at once. Send one after the other.', {
        retryAfterSeconds: 1,
      });
    if (bytes > 0 && this.total + bytes > mostOfAll)
      throw new Problem('unavailable', 'Too many large bodies are coming. Send this one again.', {
        retryAfterSeconds: 5,
      });
    this.total += bytes;
    if (ofDevice === 0) this.bytesOf.delete(device);
    else this.bytesOf.set(device, ofDevice);
  }
}

/** What one body has of the memory. */
export class BodyShare implements Disposable {
  private counted = 0;

  constructor(private readonly take: (bytes: number) => void) {}

  /**
   * @param bytes of the body so far
   * @throws Problem `rate-limited`, `unavailable`: there is no room for them
   */
  grow(bytes: number): void {
    if (bytes <= uncountedBytes) return;
    this.take(bytes - this.counted);
    this.counted = bytes;
  }

  [Symbol.dispose](): void {
    if (this.counted > 0) this.take(-this.counted);
    this.counted = 0;
  }
}
