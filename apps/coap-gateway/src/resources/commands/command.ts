import {
  type CommandKind,
  commandId,
  commandKind,
  ocfUuid,
  type ResourceHref,
  resourceHref,
} from '@sallyport/protocol';
import type { JsonValue } from '@sallyport/store';
import { z } from 'zod';
import type { Content, ReceivedContent } from '../values/content.js';

/** Largest body of a command. Many may wait for one device. */
export const largestCommandBytes = 64 * 1024;
/** Largest body of an answer: in base64 it fits in one value of the store. */
export const largestAnswerBytes = 256 * 1024;

/** A body as it is on the wire, in base64. */
const storedBody = z.strictObject({ contentFormat: z.int().exactOptional(), base64: z.base64() });
export type StoredBody = z.infer<typeof storedBody>;

/** A body as the store takes it. */
export function storedBodyOf({ contentFormat, payload }: ReceivedContent): StoredBody {
  return { ...(contentFormat === undefined ? {} : { contentFormat }), base64: payload.toString('base64') };
}

/** A stored body as it is on the wire. */
export function contentOfStored({ base64, ...format }: StoredBody): Content {
  return { ...format, payload: Buffer.from(base64, 'base64') };
}

/**
 * What came of a command. `answered`: the device did. `unavailable`: nobody knows whether it carried it out, because its
 * connection ended or it was silent.
 */
const outcome = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('answered'), code: z.string(), body: storedBody.exactOptional() }),
  z.strictObject({ kind: z.literal('unavailable'), reason: z.string() }),
]);
export type CommandOutcome = z.infer<typeof outcome>;

/** A command as it is in the store. The replica with the session of the device carries it out. */
const command = z.strictObject({
  id: commandId,
  device: ocfUuid,
  kind: commandKind,
  href: resourceHref,
  resourceInterface: z.string().exactOptional(),
  body: storedBody.exactOptional(),
  actor: z.string(),
  createdAtMs: z.int(),
  /** Not begun later than this; absent: it waits for ever. */
  validUntilMs: z.int().exactOptional(),
  /** The connection on which it was sent. */
  sentOn: z.string().exactOptional(),
  outcome: outcome.exactOptional(),
});
export type Command = z.infer<typeof command>;

/** A command that nobody has made yet. */
export interface NewCommand extends Pick<Command, 'device' | 'actor'> {
  readonly kind: CommandKind;
  readonly href: ResourceHref;
  readonly resourceInterface?: string;
  readonly body?: StoredBody;
  /** 0: it waits for ever. */
  readonly ttlSeconds: number;
}

export function commandFrom(value: JsonValue): Command {
  return command.parse(value);
}

/** Whether the device has not answered it yet. */
export function isPending({ outcome: reached, validUntilMs, sentOn }: Command, nowMs: number): boolean {
  if (reached !== undefined) return false;
  return sentOn !== undefined || validUntilMs === undefined || nowMs < validUntilMs;
}
