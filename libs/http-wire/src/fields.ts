/**
 * The header fields of a message: names and values as they came, in their order.
 *
 * Text is latin1, so each character is one byte of the wire.
 */
export class Fields {
  /** @param raw names and values by turns */
  constructor(readonly raw: readonly string[]) {}

  /** @param name in lower case; @returns the value of the first field with this name */
  get(name: string): string | undefined {
    const { raw } = this;
    for (let at = 0; at < raw.length; at += 2) if (isNamed(raw[at], name)) return raw[at + 1];
    return undefined;
  }

  /** @param name in lower case; @returns the values of all fields with this name, in their order */
  all(name: string): string[] {
    return this.raw.filter((_, at) => at % 2 === 1 && isNamed(this.raw[at - 1], name));
  }

  /** @param name in lower case */
  has(name: string): boolean {
    return this.get(name) !== undefined;
  }
}

function isNamed(raw: string | undefined, lowerCaseName: string): boolean {
  return raw !== undefined && raw.length === lowerCaseName.length && raw.toLowerCase() === lowerCaseName;
}
