import {
  type Entity,
  type EntityFragments,
  entityFragments,
  entityType,
  Problem,
  parseTopicId,
  type TopicId,
} from '@sallyport/protocol';
import { z } from 'zod';

const longestBytes = 1024 * 1024;
const deepest = 128;

const reference = z.string().transform((text, context): TopicId => {
  const read = parseTopicId(text);
  if ('id' in read) return read.id;
  context.addIssue({ code: 'custom', message: read.fault });
  return z.NEVER;
});

const fields = z.object({
  '@parent': reference.optional(),
  '@type': entityType,
  '@id': z.string().min(1).max(256).optional(),
  '@health': reference.optional(),
});

/** @throws Problem `invalid-request`: it is none */
export function readRegistrationMessage(id: TopicId, payload: Buffer): { entity: Entity; twin: EntityFragments } {
  const members = readObject(payload);
  const known = fields.safeParse(members);
  if (!known.success) {
    const [issue] = known.error.issues;
    throw new Problem('invalid-request', `Registration of ${id}: ${issue?.path.join('.') ?? ''}: ${issue?.message}`);
  }
  const own = Object.entries(members).filter(([key]) => !key.startsWith('@'));
  return { entity: { '@topic-id': id, ...known.data }, twin: Object.fromEntries(own) };
}

/** The JSON object in a message. @throws Problem `invalid-request` */
export function readObject(payload: Buffer): EntityFragments {
  const { data: object } = entityFragments.safeParse(readJson(payload));
  if (object !== undefined) return object;
  throw new Problem('invalid-request', 'The message is no JSON object.');
}

/** @throws Problem `invalid-request` */
export function readJson(payload: Buffer): unknown {
  if (payload.length > longestBytes)
    throw new Problem('invalid-request', `The message has ${payload.length} bytes; at most ${longestBytes} are read.`);
  const text = payload.toString('utf8');
  if (isTooDeep(text)) throw new Problem('invalid-request', 'The message is nested deeper than 128 levels.');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Problem('invalid-request', 'The message is no JSON.', { cause });
  }
}

/** Counts brackets outside strings, before anything that recurses sees the text. */
function isTooDeep(text: string): boolean {
  let [depth, isInString] = [0, false];
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') isInString = !isInString;
    else if (isInString && character === '\\') at += 1;
    else if (isInString) continue;
    else if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth -= 1;
    if (depth > deepest) return true;
  }
  return false;
}
