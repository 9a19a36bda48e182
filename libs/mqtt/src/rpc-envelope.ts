import { Problem, problemDocument, serviceTopicRoot } from '@sallyport/protocol';
import { z } from 'zod';

/** Replies go below this topic and nowhere else, whatever a request asks for. */
export const replyTopicRoot = `${serviceTopicRoot}/reply`;

// Our JSON is much smaller. The limit bounds the cost of parsing.
const longestMessageBytes = 4 * 1024 * 1024;

/** A request as it is sent. */
export const rpcRequest = z.strictObject({
  /** Pairs the reply with its request. */
  id: z.uuid(),
  replyTo: z.string().regex(new RegExp(`^${replyTopicRoot}/[A-Za-z0-9-]{1,64}$`)),
  /** How long the caller waits, in milliseconds from its sending. Later the work is useless. */
  deadlineMs: z.number().int().min(1).max(600_000),
  data: z.unknown(),
});
export type RpcRequest = z.infer<typeof rpcRequest>;

/** A reply as it is sent: the result of the handler, or its problem. */
export const rpcReply = z.union([
  z.strictObject({ id: z.uuid(), response: z.unknown() }),
  z.strictObject({ id: z.uuid(), problem: problemDocument, retryAfterSeconds: z.number().optional() }),
]);
export type RpcReply = z.infer<typeof rpcReply>;

/** Parses a message; undefined when it is not one of these. */
export function parseMessage<Schema extends z.ZodType>(schema: Schema, payload: Buffer): z.output<Schema> | undefined {
  if (payload.length > longestMessageBytes) return undefined;
  try {
    return schema.safeParse(JSON.parse(payload.toString('utf8'))).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A problem as it is sent: its RFC 9457 object, and what HTTP would carry in headers. */
export function problemReply(id: string, problem: Problem): Record<string, unknown> {
  const { retryAfterSeconds } = problem;
  return { id, problem: problem.toJSON(), ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) };
}

/** The problem on the other side again. */
export function problemFromReply(reply: Extract<RpcReply, { problem: unknown }>): Problem {
  const { type, title: _title, status: _status, detail, ...extensions } = reply.problem;
  const { retryAfterSeconds } = reply;
  return new Problem(type, detail, { extensions, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) });
}
