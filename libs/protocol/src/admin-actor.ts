import { z } from 'zod';

/**
 * Header of an admin request that names the person behind it: the user of the machine, or whom a program acts for. It
 * proves nothing; the audit log keeps it beside what the connection has proved.
 */
export const actorHeader = 'sallyport-actor';

/** Printable ASCII without spaces, so that it can stand in a row of the audit log beside what is proved. */
export const actorName = z
  .string()
  .min(1, 'is empty')
  .max(64, 'is longer than 64 characters')
  .regex(/^[\x21-\x7e]*$/, 'holds a character outside printable ASCII, or a space')
  .brand('ActorName');
export type ActorName = z.infer<typeof actorName>;

/** A name as it comes from a system, escaped and cut where it breaks the rule; undefined for an empty one. */
export function actorNameOf(text: string): ActorName | undefined {
  const plain = actorName.safeParse(text);
  if (plain.success) return plain.data;
  return actorName.safeParse(encodeURIComponent(text.toWellFormed()).slice(0, 64)).data;
}
