function tableOf(isMember: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (isMember(byte) ? 1 : 0));
}

/** RFC 9110 §5.6.2 tchar */
export const tokenBytes = tableOf((byte) => /[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(String.fromCharCode(byte)));

/** RFC 9110 §5.5: field-vchar, space and tab. No CR, LF, NUL or other control character. */
export const fieldBytes = tableOf((byte) => byte === 0x09 || (byte >= 0x20 && byte !== 0x7f));

/** Printable ASCII without the space that ends a request target. */
export const targetBytes = tableOf((byte) => byte >= 0x21 && byte <= 0x7e);

/** The value of a hexadecimal digit plus one; 0 for other bytes. */
export const hexDigits = Uint8Array.from({ length: 256 }, (_, byte) => {
  const digit = Number.parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(digit) ? 0 : digit + 1;
});

export const carriageReturn = 0x0d;
export const lineFeed = 0x0a;
export const space = 0x20;
export const tab = 0x09;
export const colon = 0x3a;
export const semicolon = 0x3b;

/** The first place from `at` on whose byte is not in the table; at most the end of the bytes. */
export function skip(table: Uint8Array, bytes: Uint8Array, at: number): number {
  let place = at;
  while (place < bytes.length && table[bytes[place] ?? 0] === 1) place += 1;
  return place;
}
