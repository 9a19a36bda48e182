import { addAbortListener } from 'node:events';
import { openMqttSession } from '@sallyport/mqtt/session';
import { brokerProblem } from './broker-problem.js';
import type { ClientConnection } from './client-connection.js';

/**
 * Connects as a client does, and says goodbye. Resolves when the broker has accepted the connection.
 *
 * @throws Problem with what went wrong and what to do
 * @throws the reason of `signal`
 */
export async function greetBroker(connection: ClientConnection, signal: AbortSignal): Promise<void> {
  const { promise: accepted, resolve, reject } = Promise.withResolvers<void>();
  using _listener = addAbortListener(signal, () => reject(signal.reason));
  const session = openMqttSession(connection, { isDurable: false, onConnected: () => resolve(), onFault: reject });
  try {
    await accepted;
  } catch (fault) {
    signal.throwIfAborted();
    throw brokerProblem(fault, connection);
  } finally {
    await session.close();
  }
}
