import { integerFrom, textParsedBy } from './value-type.js';

/** How many files and folders. */
export const entryCount = integerFrom('Count', 'a whole number from 1 to 1000000000', {
  least: 1,
  most: 1_000_000_000,
});

/** A part of a whole. */
export const percentage = integerFrom('Percent', 'a whole number of percent from 1 to 100', { least: 1, most: 100 });

// The digit of the owner must be 0, or the service could not read what it stored.
function umaskIn(text: string): number | undefined {
  return /^0?0[0-7]{2}$/.test(text) ? Number.parseInt(text, 8) : undefined;
}

/** Permission bits to leave out, as in umask(2); programs read a number. */
export const umask = textParsedBy(
  'Umask',
  'three octal digits that take nothing from the owner, in quotes: "027", "022" or "077"',
  umaskIn,
);
