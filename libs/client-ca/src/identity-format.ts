import type { IdentityFormat } from '@sallyport/protocol';

/** An identity in the form it is kept in, or why it is none. */
export type FormattedIdentity = { readonly identity: string } | { readonly fault: string };

const anyCount = { least: 1, most: 64 };

/**
 * Brings an identity into the form a connector wants: prefix, type, length and casing.
 *
 * @returns a fault as a whole sentence when it cannot be brought there
 */
export function formatIdentity(text: string, format: IdentityFormat): FormattedIdentity {
  const cased = withCasing(text, format.casing);
  const prefix = withCasing(format.prefix ?? '', format.casing);
  if (!cased.startsWith(prefix)) return { fault: `The identity "${text}" does not begin with "${prefix}".` };
  const rest = cased.slice(prefix.length);
  const { pattern, words } = ruleOf(format);
  if (pattern.test(rest)) return { identity: cased };
  const behind = prefix === '' ? `The identity "${text}"` : `What follows "${prefix}" in the identity "${text}"`;
  return { fault: `${behind} is not ${words}.` };
}

function withCasing(text: string, casing: IdentityFormat['casing']): string {
  if (casing === 'lower') return text.toLowerCase();
  return casing === 'upper' ? text.toUpperCase() : text;
}

function ruleOf(format: IdentityFormat): { readonly pattern: RegExp; readonly words: string } {
  const { least, most } = format.length === undefined ? anyCount : { least: format.length, most: format.length };
  const count = format.length === undefined ? 'one or more' : `${format.length}`;
  switch (format.type) {
    case 'opaque':
      return { pattern: new RegExp(`^.{${least},${most}}$`), words: `${count} characters` };
    case 'base10':
      return { pattern: new RegExp(`^[0-9]{${least},${most}}$`), words: `${count} decimal digits` };
    case 'base16':
      return { pattern: new RegExp(`^[0-9A-Fa-f]{${least},${most}}$`), words: `${count} hexadecimal digits` };
    case 'uuid':
      return {
        pattern: hexGroups([8, 4, 4, 4, 12], '-'),
        words: 'a UUID, such as 123e4567-e89b-42d3-a456-426614174000',
      };
    case 'uuidv4':
      return {
        pattern: /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i,
        words: 'a UUID of version 4, such as 123e4567-e89b-42d3-a456-426614174000',
      };
    case 'mac:48':
      return { pattern: hexGroups([2, 2, 2, 2, 2, 2], ':'), words: 'a MAC address such as 00:1b:44:11:3a:b7' };
    case 'mac-48':
      return { pattern: hexGroups([2, 2, 2, 2, 2, 2], '-'), words: 'a MAC address such as 00-1b-44-11-3a-b7' };
    case 'mac.48':
      return { pattern: hexGroups([4, 4, 4], '.'), words: 'a MAC address such as 001b.4411.3ab7' };
    default:
      return format.type satisfies never;
  }
}

function hexGroups(lengths: readonly number[], separator: string): RegExp {
  return new RegExp(`^${lengths.map((length) => `[0-9A-Fa-f]{${length}}`).join(`\\${separator}`)}$`);
}
