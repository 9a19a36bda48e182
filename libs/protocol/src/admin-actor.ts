import { z } from 'zod';

/**
 * Header of an admin request that names the person behind it: the user of this machine, or the person a program acts
 * for. It proves nothing. The audit log keeps it beside the name that the connection has proved.
 */
export const actorHeader = 'sallyport-actor';

/** Printable ASCII without spaces, so that in an audit row it cannot be mixed up with the proved name. */
export const actorName = z
  .string()
  .min(1, 'is empty')
  .max(64, 'is longer than 64 characters')
  .regex(/^[\x21-\x7e]*$/, 'holds a character outside printable ASCII, or a space')
  .brand('ActorName');
export type ActorName = z.infer<typeof actorName>;

/** Makes an actor name of a user name. What breaks the rule is escaped or cut; undefined for an empty name. */
export function actorNameOf(text: string): ActorName | undefined {
  const plain = actorName.safeParse(text);
  if (plain.success) return plain.data;
  return actorName.safeParse(encodeURIComponent(text.toWellFormed()).slice(0, 64)).data;
}
