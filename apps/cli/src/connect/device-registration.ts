import { type CloudConnection, smartRestLine } from '@sallyport/cloud';
import type { CliContext } from '../cli-context.js';
import { DirectSession } from './direct-session.js';
import { explained } from './explained.js';

/**
 * Connects to the cloud directly, as this device. At Cumulocity that makes the device there, if it is not there yet
 * (SmartREST 100), and waits until the cloud has acknowledged it.
 *
 * @throws Failure: why the cloud cannot be reached or does not take this device, and what to do
 */
export async function introduceDevice(
  context: CliContext,
  connection: CloudConnection,
  deviceType: string,
): Promise<void> {
  try {
    const session = await DirectSession.open(connection, { signal: context.signal });
    try {
      if (connection.kind === 'c8y')
        await session.publish('s/us', smartRestLine('100', connection.deviceId, deviceType));
    } finally {
      session.close();
    }
  } catch (fault) {
    context.signal.throwIfAborted();
    throw await explained(fault, connection, { now: context.now() });
  }
}
