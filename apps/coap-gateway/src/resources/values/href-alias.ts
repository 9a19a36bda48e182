import { createHash } from 'node:crypto';
import { type ResourceAlias, type ResourceHref, resourceAlias } from '@sallyport/protocol';

const longestAliasBytes = 128;

/**
 * The name that the value of a resource has in events and in the store. It is the href, but aliases hold no `.` and no `$`:
 * these, and `%`, are written as in a URL (`/a.b` is `/a%2Eb`). An href that is too long then is named by its digest.
 */
export function aliasOf(href: ResourceHref): ResourceAlias {
  const escaped = href.replaceAll('%', '%25').replaceAll('.', '%2E').replaceAll('$', '%24');
  if (Buffer.byteLength(escaped) <= longestAliasBytes) return resourceAlias.parse(escaped);
  return resourceAlias.parse(`%sha256/${createHash('sha256').update(href).digest('hex')}`);
}
