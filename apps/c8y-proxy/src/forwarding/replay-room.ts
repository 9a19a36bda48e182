import { type Body, collect, WholeBody } from '@sallyport/http-wire';

/** The largest body that is kept for a second sending. */
export const largestReplay = 1024 * 1024;

// Of all requests together. A client that sends slowly holds its part meanwhile; the others are then streamed.
const roomBytes = 32 * 1024 * 1024;

/** Memory for the bodies of requests that may have to be sent a second time. */
export class ReplayRoom {
  private freeBytes = roomBytes;

  /**
   * Runs work with a body that may flow more than once, where it is small enough and there is room for it; else with the
   * body as it is.
   *
   * @throws the failure of a body that ends too early
   */
  async withBody<Result>(body: Body, work: (body: Body) => Promise<Result>): Promise<Result> {
    const { length, isReplayable } = body;
    if (isReplayable || length === undefined || length > largestReplay || length > this.freeBytes) return work(body);
    this.freeBytes -= length;
    try {
      return await work(new WholeBody(await collect(body, length)));
    } finally {
      this.freeBytes += length;
    }
  }
}
