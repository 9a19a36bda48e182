import { addAbortListener } from 'node:events';
import type { CloudConnection } from '@sallyport/cloud';
import { within } from '@sallyport/concurrency';
import { type MqttMessage, openMqttSession } from '@sallyport/mqtt/session';
import { brokerProblem } from '../mqtt/broker-problem.js';
import type { ClientConnection } from '../mqtt/client-connection.js';

/** A message to the cloud, and the one that answers it, in topics of the local broker. */
export interface CloudQuestion {
  readonly topic: string;
  readonly payload: string;
  readonly answers: string;
  readonly isAnswer: (message: MqttMessage) => boolean;
}

/**
 * How to see that a cloud answers this device; undefined for one that answers nothing.
 *
 * Cumulocity hands out a token (`71,`), or to a device with a password its pending operations or its identity (`124`).
 * Azure answers with the device twin. For AWS a message comes back.
 */
export function questionFor({ kind, topicPrefix, authMethod }: CloudConnection): CloudQuestion | undefined {
  const at = (topic: string) => `${topicPrefix}/${topic}`;
  const begins = (text: string) => (message: MqttMessage) => message.payload.toString('utf8').startsWith(text);
  if (kind === 'c8y' && authMethod === 'basic')
    return { topic: at('s/us'), payload: '123', answers: at('s/ds'), isAnswer: begins('124') };
  if (kind === 'c8y') return { topic: at('s/uat'), payload: '', answers: at('s/dat'), isAnswer: begins('71,') };
  if (kind === 'az') {
    const isOk = ({ topic }: MqttMessage) => topic.startsWith(at('twin/res/200'));
    return { topic: at('twin/GET/?$rid=1'), payload: '', answers: at('twin/res/#'), isAnswer: isOk };
  }
  if (kind !== 'aws') return undefined;
  return { topic: at('test-connection'), payload: '', answers: at('connection-success'), isAnswer: () => true };
}

/** Nobody answered in time. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

export interface AskOptions {
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

/**
 * Asks the cloud through the local broker and the bridge.
 *
 * @returns the answer
 * @throws NoAnswer: none came within the deadline
 * @throws Problem: the local broker cannot be reached, or refuses this client
 */
export async function askCloud(
  broker: ClientConnection,
  { topic, payload, answers, isAnswer }: CloudQuestion,
  { deadlineMs, signal }: AskOptions,
): Promise<string> {
  const { promise: answered, resolve, reject } = Promise.withResolvers<string>();
  using _listener = addAbortListener(signal, () => reject(signal.reason));
  answered.catch(() => undefined);
  const session = openMqttSession(broker, {
    isDurable: false,
    filters: [{ filter: answers, qos: 1 }],
    onMessage: (message) => {
      if (isAnswer(message)) resolve(message.payload.toString('utf8'));
    },
    onFault: (fault) => reject(brokerProblem(fault, broker)),
  });
  try {
    await Promise.race([session.publish(topic, payload, { qos: 1, deadlineMs, signal }), answered]);
    return await within(answered, deadlineMs, { late: () => new NoAnswer(`no answer to ${topic}`), signal });
  } finally {
    await session.close();
  }
}
