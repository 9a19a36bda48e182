import type { Name } from '@sallyport/x509';

/** One text for names that mean the same: case and runs of spaces do not count (RFC 5280 §7.1). */
export function nameKey({ attributes }: Name): string {
  return attributes.map(({ oid, value }) => `${oid}=${value.trim().replace(/\s+/g, ' ').toLowerCase()}`).join('\n');
}
