import { createHash } from 'node:crypto';
import { type DeadLetter, deadLetterRoot } from '@sallyport/protocol';
import type { Mqtt } from './port.js';

// An event is a few hundred bytes. What is larger is no event of ours, and its beginning says what it is.
const mostPayloadBytes = 64 * 1024;
const mostErrorCharacters = 1_000;

/** A message whose handler failed for the last time. */
export interface FailedMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly filter: string;
  readonly failures: number;
  readonly error: Error;
}

export interface DeadLettersOptions {
  /** Whose messages they are: one level of the topics. */
  readonly owner: string;
  readonly publish: Mqtt['publish'];
  readonly now: () => Date;
  /** Told about each dead letter once the broker has it. */
  readonly onDeadLetter: (letter: DeadLetter, topic: string) => void;
}

/**
 * Keeps messages that no handler could take, as retained messages of the broker: until an operator has read and removed
 * them, over restarts too. The same message that fails again replaces its letter.
 */
export class DeadLetters {
  constructor(private readonly options: DeadLettersOptions) {}

  /**
   * Resolves when the broker has the letter: only then may the message be acknowledged.
   *
   * @throws Problem `unavailable`: as `Mqtt.publish` says.
   */
  async keep(failed: FailedMessage): Promise<void> {
    const { owner, publish, onDeadLetter } = this.options;
    const letter = this.letterFor(failed);
    const topic = `${deadLetterRoot}/${owner}/${nameOf(failed)}`;
    await publish(topic, JSON.stringify(letter), { retain: true });
    onDeadLetter(letter, topic);
  }

  private letterFor({ topic, payload, filter, failures, error }: FailedMessage): DeadLetter {
    return {
      topic,
      filter,
      payload: payload.subarray(0, mostPayloadBytes).toString('base64'),
      payloadBytes: payload.length,
      failures,
      error: describe(error).slice(0, mostErrorCharacters),
      failedAt: this.options.now().toISOString(),
    };
  }
}

function nameOf({ topic, payload }: FailedMessage): string {
  return createHash('sha256').update(topic).update('\0').update(payload).digest('hex').slice(0, 32);
}

function describe({ message, cause }: Error): string {
  return cause instanceof Error ? `${message}: ${describe(cause)}` : message;
}
