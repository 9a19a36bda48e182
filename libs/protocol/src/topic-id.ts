import { z } from 'zod';

// A topic id is a part of store keys and of answers, so it is much shorter than MQTT allows.
const longestBytes = 256;

/**
 * Names an entity of thin-edge.io in topics and URLs: four levels, of which later ones may be empty, such as
 * `device/main//` or `device/child01/service/app`. Its first level is not empty, and no level has a wildcard.
 */
export const topicId = z
  .string()
  .refine((id) => Buffer.byteLength(id) <= longestBytes, `is longer than ${longestBytes} bytes`)
  .refine((id) => id.isWellFormed() && !/[\p{Cc}\u{10FFFF}]/u.test(id), 'holds a control character or broken Unicode')
  .regex(/^[^/#+]+(?:\/[^/#+]*){3}$/, 'is not four levels without wildcards, the first not empty')
  .brand('TopicId');
export type TopicId = z.infer<typeof topicId>;

/** The main device of a gateway. Every other entity is below it. */
export const mainDevice = topicId.parse('device/main//');

/**
 * Reads a topic id of one to four levels; missing ones at the end count as empty.
 *
 * @returns the fault in the words of thin-edge.io when it is none
 */
export function parseTopicId(text: string): { readonly id: TopicId } | { readonly fault: string } {
  const levels = text.split('/');
  if (levels.length > 4) return { fault: 'An entity topic identifier has at most 4 segments' };
  const { data: id } = topicId.safeParse([...levels, '', '', ''].slice(0, 4).join('/'));
  return id === undefined ? { fault: 'An entity topic identifier must be a valid MQTT topic' } : { id };
}

/** What a topic id of the default scheme says: `device/<device>//` or `device/<device>/service/<service>`. */
interface DefaultTopicId {
  readonly device: string;
  readonly service?: string;
}

/** @returns undefined for a topic id of a custom scheme, about which nothing is known */
export function readDefaultTopicId(id: TopicId): DefaultTopicId | undefined {
  const [root, device = '', kind, service = ''] = id.split('/');
  if (root !== 'device' || device === '') return undefined;
  if (kind === '' && service === '') return { device };
  return kind === 'service' && service !== '' ? { device, service } : undefined;
}

/** The topic id of a device in the default scheme. @throws ZodError: the name does not fit in one level */
export function deviceTopicId(device: string): TopicId {
  return topicId.parse(`device/${device}//`);
}
