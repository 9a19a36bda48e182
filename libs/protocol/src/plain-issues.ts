import { config, type core } from 'zod';

type Issue = core.$ZodRawIssue;

/**
 * From now on this process tells broken rules in plain words: `must be 60 or more`, as the end of a sentence that begins
 * with the name of the value. A text that a schema has itself comes first. Programs call it once, when they start.
 */
export function usePlainIssues(): void {
  config({ customError: plainIssue });
}

/** What is wrong with a value, as the end of a sentence. */
export function plainIssue(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is missing' : `must be ${typeNames[issue.expected] ?? issue.expected}`;
    case 'too_small':
      return sizeRule(issue, String(issue.minimum), issue.inclusive === false ? 'more than' : 'at least');
    case 'too_big':
      return sizeRule(issue, String(issue.maximum), issue.inclusive === false ? 'less than' : 'at most');
    case 'invalid_format':
      return formatRule(issue);
    case 'invalid_value':
      return `must be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map(String).join(', ')}`;
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    case 'unrecognized_keys':
      return `has something that is not known: ${issue.keys.join(', ')}`;
    case 'invalid_key':
      return 'has a name that is not permitted';
    default:
      return 'cannot be used as it is';
  }
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  date: 'a date',
};

/** How many of a thing; numbers count nothing. */
const units: Readonly<Record<string, string>> = {
  string: 'characters',
  array: 'items',
  set: 'items',
  file: 'bytes',
  map: 'entries',
};

interface Sized {
  readonly origin: string;
  readonly exact?: boolean;
}

function sizeRule({ origin, exact }: Sized, limit: string, relation: string): string {
  const amount = `${exact === true ? 'exactly' : relation} ${limit}`;
  const unit = units[origin];
  if (unit === undefined) return `must be ${amount}`;
  if (amount === 'at least 1') return 'must not be empty';
  return `must have ${amount} ${limit === '1' ? unit.replace(/(?:ie)?s$/, '') : unit}`;
}

const formats: Readonly<Record<string, string>> = {
  url: 'an address such as https://host.example/path',
  email: 'an email address',
  uuid: 'a UUID',
  datetime: 'a time such as 2026-01-31T12:00:00Z',
  date: 'a date such as 2026-01-31',
  ipv4: 'an IPv4 address',
  ipv6: 'an IPv6 address',
  cidrv4: 'a network such as 192.0.2.0/24',
  cidrv6: 'a network such as 2001:db8::/32',
  base64: 'base64',
  base64url: 'base64url',
  json_string: 'JSON',
};

function formatRule({
  format,
  prefix,
  suffix,
  includes,
}: core.$ZodRawIssue<core.$ZodIssueInvalidStringFormat>): string {
  if (prefix !== undefined) return `must begin with ${String(prefix)}`;
  if (suffix !== undefined) return `must end with ${String(suffix)}`;
  if (includes !== undefined) return `must contain ${String(includes)}`;
  const name = formats[format];
  return name === undefined ? 'is not written as it must be' : `must be ${name}`;
}
