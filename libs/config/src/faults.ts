import { Problem } from '@sallyport/protocol';

/** One thing that is wrong with the configuration. */
export interface Fault {
  /** Key with dots, or the table or variable at fault. */
  readonly key: string;
  /** Where the value comes from: an environment variable, a flag, or `tedge.toml`. */
  readonly where: string;
  /** The value as given, with passwords blanked out. */
  readonly value: string;
  /** What it would have to be. */
  readonly rule: string;
}

const longestShown = 120;

/** Text of a value for an error message: one line, cut when long, without the password of a URL. */
export function shownValue(value: unknown): string {
  const text = typeof value === 'bigint' ? String(value) : (JSON.stringify(value, withDigits) ?? String(value));
  // A password may contain an @ too, so remove everything up to the last one.
  const redacted = text.replace(/(\/\/[^/\s:@]*):.*@/, '$1:<redacted>@');
  return redacted.length > longestShown ? `${redacted.slice(0, longestShown)}...` : redacted;
}

/** TOML has integers that JSON.stringify refuses. */
function withDigits(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

/** One line for a person: the place, the key, the value and the rule it breaks. */
function faultLine({ key, where, value, rule }: Fault): string {
  const given = value === '' ? '' : ` is ${value}:`;
  return `${key}${where === key ? '' : ` (${where})`}${given} ${rule}`;
}

/** All faults as one Problem `config-invalid`; its extension `faults` lists them for programs. */
export function problemOf(faults: readonly Fault[]): Problem {
  const lines = faults.map(faultLine);
  const detail =
    lines.length === 1 ? `${lines[0]}.` : `${lines.length} settings are not valid:\n- ${lines.join('\n- ')}`;
  return new Problem('config-invalid', detail, { extensions: { faults } });
}
