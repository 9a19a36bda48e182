import { z } from 'zod';
import { serviceTopicRoot } from './rpc.js';

/** Below it the broker keeps, retained, the messages no handler could take: one topic a message. */
export const deadLetterRoot = `${serviceTopicRoot}/dead-letter`;

/** A message a service gave up on. */
export const deadLetter = z.strictObject({
  /** Where the message came from. */
  topic: z.string(),
  /** What the service had subscribed to. */
  filter: z.string(),
  /** As much of it as is kept, in base64. */
  payload: z.base64(),
  /** Of the whole payload, in bytes. */
  payloadBytes: z.int().nonnegative(),
  /** How often the handler failed. */
  failures: z.int().positive(),
  /** Why it failed the last time. */
  error: z.string(),
  failedAt: z.iso.datetime(),
});
export type DeadLetter = z.output<typeof deadLetter>;
