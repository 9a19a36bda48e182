import { pause } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';

const retryMs = 1_000;

/**
 * Opens something on another machine, and waits until that machine answers. The services, the broker and the store of a
 * cluster start in any order.
 *
 * @param open throws Problem `unavailable` while the other side is away; any other fault is final
 * @param onWaiting told about each attempt that failed
 */
export async function untilAvailable<T>(open: () => Promise<T>, onWaiting: (fault: Problem) => void): Promise<T> {
  for (;;) {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof Problem) || error.type !== 'unavailable') throw error;
      onWaiting(error);
    }
    await pause(retryMs);
  }
}
