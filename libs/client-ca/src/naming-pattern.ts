import { Problem } from '@sallyport/protocol';

/** Characters that fit in one place, and how often they may come. */
interface Atom {
  readonly fits: (character: string) => boolean;
  readonly least: number;
  readonly most: number;
}

/** A pattern over names with one group. */
export interface NamingPattern {
  /** What stands in the group; undefined when the pattern does not fit the whole text. */
  capture(text: string): string | undefined;
}

const longestName = 256;
const mostRepeats = 256;

/**
 * Reads an anchored pattern with one group, such as `^pump-([0-9]+)\.example$`.
 *
 * It knows a part of what regular expressions are, and so its time is bounded by the length of pattern and text: plain
 * characters, `.`, `\d`, `\w`, `\` before a special character, classes `[a-z0-9-]`, and the repeats `? * + {n} {n,m}` of
 * one of those. There are no alternatives, no further groups and no repeats of a group: with those, a hostile name could
 * keep the registry busy for minutes.
 *
 * @throws Problem `invalid-request`: says what is wrong, and at which character
 */
export function parseNamingPattern(pattern: string): NamingPattern {
  const reader = new PatternReader(pattern);
  const { atoms, group } = reader.read();
  return { capture: (text) => capture(atoms, group, text) };
}

interface Group {
  /** Index of its first atom, and of the first one behind it. */
  readonly start: number;
  readonly end: number;
}

class PatternReader {
  private at = 0;
  private readonly atoms: Atom[] = [];
  private start: number | undefined;
  private end: number | undefined;

  constructor(private readonly pattern: string) {}

  read(): { readonly atoms: readonly Atom[]; readonly group: Group } {
    const { pattern } = this;
    if (!pattern.startsWith('^') || !pattern.endsWith('$') || pattern.endsWith('\\$'))
      this.refuse('it must begin with "^" and end with "$", so that it describes the whole name');
    this.at = 1;
    while (this.at < pattern.length - 1) this.readNext();
    if (this.start === undefined || this.end === undefined)
      return this.refuse('it needs one group "( )" around what is the identity');
    if (this.start === this.end) return this.refuse('its group is empty');
    return { atoms: this.atoms, group: { start: this.start, end: this.end } };
  }

  private readNext(): void {
    const character = this.take();
    if (character === '(') this.openGroup();
    else if (character === ')') this.closeGroup();
    else this.addAtom(character);
  }

  private addAtom(character: string): void {
    if (character === '|') this.refuse('alternatives "|" are not possible');
    if ('?*+{}^$'.includes(character))
      this.refuse(`"${character}" has nothing to repeat; write "\\${character}" for the character`);
    const fits = this.fitsOf(character);
    this.atoms.push({ fits, ...this.readRepeat() });
  }

  private openGroup(): void {
    if (this.start !== undefined) this.refuse('there is a second group');
    if (this.next === '?') this.refuse('"(?" is not possible; only one plain group');
    this.start = this.atoms.length;
  }

  private closeGroup(): void {
    if (this.start === undefined || this.end !== undefined) this.refuse('")" closes no group');
    this.end = this.atoms.length;
    if (this.next !== '' && '?*+{'.includes(this.next)) this.refuse('a group cannot be repeated');
  }

  private fitsOf(character: string): Atom['fits'] {
    if (character === '.') return () => true;
    if (character === '[') return this.readClass();
    return character === '\\' ? this.readEscape() : (other) => other === character;
  }

  private readEscape(): Atom['fits'] {
    const character = this.take();
    if (character === 'd') return isDigit;
    if (character === 'w') return (other) => /^\w$/.test(other);
    if (/^[A-Za-z0-9]$/.test(character) || character === '')
      this.refuse(`"\\${character}" is not known; there are \\d and \\w`);
    return (other) => other === character;
  }

  private readClass(): Atom['fits'] {
    const isNegated = this.next === '^';
    if (isNegated) this.take();
    const parts: Atom['fits'][] = [];
    while (this.next !== ']') parts.push(this.readClassPart());
    this.take();
    if (parts.length === 0) this.refuse('a class "[]" is empty');
    return (character) => parts.some((fits) => fits(character)) !== isNegated;
  }

  private readClassPart(): Atom['fits'] {
    const first = this.take();
    if (first === '') this.refuse('a class "[" has no end');
    if (first === '\\') return this.readEscape();
    const isRange = this.next === '-' && this.pattern[this.at + 1] !== ']';
    if (!isRange) return (character) => character === first;
    this.take();
    const last = this.take();
    if (last < first || last === '\\') this.refuse(`"${first}-${last}" is no range`);
    return (character) => character >= first && character <= last;
  }

  private readRepeat(): Pick<Atom, 'least' | 'most'> {
    switch (this.next) {
      case '?':
        return this.taken({ least: 0, most: 1 });
      case '*':
        return this.taken({ least: 0, most: longestName });
      case '+':
        return this.taken({ least: 1, most: longestName });
      case '{':
        return this.readCount();
      default:
        return { least: 1, most: 1 };
    }
  }

  private readCount(): Pick<Atom, 'least' | 'most'> {
    const [whole, low = '', comma, high = ''] = /^\{(\d{1,3})(,)?(\d{0,3})\}/.exec(this.pattern.slice(this.at)) ?? [];
    if (whole === undefined) return this.refuse('"{" needs a number: {4} or {1,8}');
    this.at += whole.length;
    const least = Number(low);
    const most = comma === undefined ? least : high === '' ? longestName : Number(high);
    if (most < least || most > mostRepeats) this.refuse(`${whole} is no count from 0 to ${mostRepeats}`);
    return this.plain({ least, most });
  }

  private taken(repeat: Pick<Atom, 'least' | 'most'>): Pick<Atom, 'least' | 'most'> {
    this.take();
    return this.plain(repeat);
  }

  private plain(repeat: Pick<Atom, 'least' | 'most'>): Pick<Atom, 'least' | 'most'> {
    if (this.next !== '' && '?*+{'.includes(this.next)) this.refuse('a repeat is repeated');
    return repeat;
  }

  private get next(): string {
    return this.at < this.pattern.length - 1 ? (this.pattern[this.at] ?? '') : '';
  }

  private take(): string {
    const character = this.next;
    this.at += 1;
    return character;
  }

  private refuse(what: string): never {
    throw new Problem(
      'invalid-request',
      `The pattern ${JSON.stringify(this.pattern)} is not possible (character ${Math.min(this.at, this.pattern.length)}): ${what}. An example: ^pump-([0-9]+)$`,
    );
  }
}

function isDigit(character: string): boolean {
  return character >= '0' && character <= '9';
}

/** Each atom takes as much as it can. Linear in atoms, and quadratic in a text of at most 256 characters. */
function capture(atoms: readonly Atom[], group: Group, text: string): string | undefined {
  if (text.length > longestName) return undefined;
  const fitting = fittingEnds(atoms, text);
  if (fitting[0]?.has(0) !== true) return undefined;
  const starts: number[] = [0];
  for (const [index, atom] of atoms.entries())
    starts.push(longestStep(atom, text, { at: starts[index] ?? 0, goals: fitting[index + 1] ?? new Set() }));
  return text.slice(starts[group.start], starts[group.end]);
}

/** For each atom, the places from which it and all that follow fit up to the end. */
function fittingEnds(atoms: readonly Atom[], text: string): Set<number>[] {
  const fitting: Set<number>[] = [new Set([text.length])];
  for (const atom of atoms.toReversed()) {
    const goals = fitting[0] ?? new Set();
    const places = Array.from({ length: text.length + 1 }, (_, at) => at);
    fitting.unshift(new Set(places.filter((at) => longestStep(atom, text, { at, goals }) >= 0)));
  }
  return fitting;
}

/** The farthest of the goals that an atom reaches; -1 when it reaches none. */
function longestStep(
  { fits, least, most }: Atom,
  text: string,
  from: { at: number; goals: ReadonlySet<number> },
): number {
  let farthest = -1;
  for (let end = from.at; end - from.at <= most && end <= text.length; end += 1) {
    if (end - from.at >= least && from.goals.has(end)) farthest = end;
    if (!fits(text.charAt(end))) break;
  }
  return farthest;
}
