import { setTimeout as delay } from 'node:timers/promises';
import { Problem } from '@sallyport/protocol';

const pauseMs = 1_000;

/**
 * Opens something on another machine, however long that machine takes to come: services, broker and store of a cluster
 * start in any order.
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
    await delay(pauseMs);
  }
}
