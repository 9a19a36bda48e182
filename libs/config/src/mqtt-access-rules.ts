import {
  deviceId,
  filtersOverlap,
  isTopicFilter,
  type MqttAccessRule,
  mqttRole,
  ownName,
  Problem,
  serviceName,
  serviceTopicRoot,
} from '@sallyport/protocol';
import { shownValue } from './faults.js';
import { isTable, parseToml, type TomlTable } from './toml.js';
import { type Pair, scanToml } from './toml-scanner.js';

// The rights of each client are compared with each message. So a file of rules has a size that stays fast.
const mostRules = 256;
const mostFilters = 64;

const listKeys = ['roles', 'names', 'publish', 'subscribe'] as const;
type ListKey = (typeof listKeys)[number];

/** Roles a site may give rights to. Services have the rights of the product; a client without identity has all others. */
const siteRoles = mqttRole.extract(['device', 'gateway', 'admin']);

/** Where a value stands in the file, for error messages. */
interface Place {
  readonly file: string;
  readonly line: number;
}

/**
 * Reads the rules of a site for MQTT topics.
 *
 * ```toml
 * [[rule]]
 * purpose = "Presses report their speed."
 * roles = ["device"]             # device, gateway, admin
 * names = ["press-7"]            # ids of devices, names of programs with a certificate
 * publish = ["plant/{id}/speed"] # {id} is the name of the client
 * subscribe = ["plant/all/#"]
 * ```
 *
 * @param file name of the file in errors
 * @throws Problem `config-invalid`, which names the line and the value
 */
export function parseMqttAccessRules(text: string, file: string): MqttAccessRule[] {
  const table = parseToml(text, file);
  const { rule: rules = [], ...others } = table;
  const lines = new RuleLines(text);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined)
    throw fault({ file, line: lines.ofKey(unknown) }, `"${unknown}" is not known. Write [[rule]].`);
  if (!Array.isArray(rules) || !rules.every(isTable) || lines.count !== rules.length)
    throw fault({ file, line: lines.ofKey('rule') }, 'Write each rule as a table of its own, below a line [[rule]].');
  if (rules.length > mostRules)
    throw fault({ file, line: 1 }, `There are ${rules.length} rules; ${mostRules} may be used.`);
  return rules.map((rule, index) => readRule(rule, { file, lines, index }));
}

interface RulePlace {
  readonly file: string;
  readonly lines: RuleLines;
  readonly index: number;
}

function readRule(rule: TomlTable, place: RulePlace): MqttAccessRule {
  const { purpose, ...lists } = rule;
  for (const key of Object.keys(lists))
    if (!isListKey(key)) throw faultAt(place, key, `"${key}" is not known. Use purpose, ${listKeys.join(', ')}.`);
  if (purpose !== undefined && typeof purpose !== 'string')
    throw faultAt(place, 'purpose', `purpose is ${shownValue(purpose)}, which is not a text.`);
  const roles = valuesOf(rule, 'roles', place).map((value) => roleOf(value, place));
  const names = valuesOf(rule, 'names', place).map((value) => nameOf(value, place));
  const [publish, subscribe] = [filtersOf(rule, 'publish', place), filtersOf(rule, 'subscribe', place)];
  if (roles.length + names.length === 0) throw faultAt(place, undefined, 'The rule is for nobody. Set roles or names.');
  if (publish.length + subscribe.length === 0)
    throw faultAt(place, undefined, 'The rule gives no rights. Set publish or subscribe.');
  return { roles, names, publish, subscribe, purpose: purpose ?? 'A rule of this site.' };
}

function isListKey(key: string): key is ListKey {
  return listKeys.some((known) => known === key);
}

function valuesOf(rule: TomlTable, key: ListKey, place: RulePlace): string[] {
  const values = rule[key] ?? [];
  if (!Array.isArray(values))
    throw faultAt(place, key, `${key} is ${shownValue(values)}, which is not a list of texts.`);
  if (values.length > mostFilters)
    throw faultAt(place, key, `${key} has ${values.length} values; ${mostFilters} may be used.`);
  return values.map((value: unknown) => {
    if (typeof value === 'string') return value;
    throw faultAt(place, key, `${key} holds ${shownValue(value)}, which is not a text.`);
  });
}

function roleOf(value: string, place: RulePlace) {
  const role = siteRoles.safeParse(value);
  if (role.success) return role.data;
  const known = siteRoles.options.join(', ');
  throw faultAt(place, 'roles', `roles holds ${shownValue(value)}. Rules can be for these roles: ${known}.`, value);
}

function nameOf(value: string, place: RulePlace): string {
  const name = deviceId.safeParse(value);
  const reason = name.success ? undefined : name.error.issues[0]?.message;
  if (reason !== undefined) throw faultAt(place, 'names', `names holds ${shownValue(value)}, which ${reason}.`, value);
  if (serviceName.safeParse(value).success)
    throw faultAt(place, 'names', `names holds "${value}". A service of Sallyport has the rights it needs.`, value);
  return value;
}

function filtersOf(rule: TomlTable, key: 'publish' | 'subscribe', place: RulePlace): string[] {
  const filters = valuesOf(rule, key, place);
  for (const filter of filters) {
    const reason = filterFault(filter);
    if (reason !== undefined) throw faultAt(place, key, `${key} holds ${shownValue(filter)}: ${reason}`, filter);
  }
  return filters;
}

/** What is wrong with a filter of a rule; undefined when nothing is. */
function filterFault(filter: string): string | undefined {
  // A name has no "/", so it may stand in for the place of the name.
  const example = filter.replaceAll(ownName, 'a');
  if (!isTopicFilter(example))
    return 'it is not a topic filter (MQTT 5.0 §4.7). "+" and "#" stand alone in a level, "#" last.';
  if (/[{}]/.test(example)) return `the only text that may stand in braces is ${ownName}, for the name of the client.`;
  // Mosquitto reads its access rules line by line, and takes off blanks at both ends.
  if (/[\p{Cc}]|^\s|\s$/u.test(filter)) return 'it holds a control character, or a blank at its end.';
  if (filter.startsWith('$')) return 'topics that begin with "$" belong to the broker.';
  // A device may have any name, also that of a level of the service root.
  const widest = filter.split('/').map((level) => (level.includes(ownName) ? '+' : level));
  if (filtersOverlap(widest.join('/'), `${serviceTopicRoot}/#`))
    return `it reaches ${serviceTopicRoot}/#, which belongs to the services. Begin with a first level that does not.`;
  return undefined;
}

function faultAt({ file, lines, index }: RulePlace, key: string | undefined, reason: string, value?: string): Problem {
  return fault({ file, line: lines.of(index, key, value) }, reason);
}

function fault({ file, line }: Place, reason: string): Problem {
  return new Problem('config-invalid', `${file}, line ${line}: ${reason}`);
}

/** Finds the lines of rules, their keys and their values. */
class RuleLines {
  private readonly scanned: ReturnType<typeof scanToml>;
  private readonly headers: ReturnType<typeof scanToml>['sections'];

  /** @param text valid TOML */
  constructor(private readonly text: string) {
    this.scanned = scanToml(text);
    this.headers = this.scanned.sections.filter(({ path, isRepeated }) => isRepeated && path.join('.') === 'rule');
  }

  get count(): number {
    return this.headers.length;
  }

  of(index: number, key: string | undefined, value: string | undefined): number {
    const header = this.headers[index];
    const pair = this.scanned.pairs.find(({ section, path }) => section === header && path[1] === key);
    return this.lineAt(pair === undefined ? (header?.headerEnd ?? 0) : this.valueStart(pair, value));
  }

  ofKey(key: string): number {
    const section = this.scanned.sections.find(({ path }) => path[0] === key);
    const pair = this.scanned.pairs.find(({ path }) => path[0] === key);
    return this.lineAt(section?.headerEnd ?? pair?.keyStart ?? 0);
  }

  /** A list may go over several lines. */
  private valueStart({ keyStart, valueStart, valueEnd }: Pair, value: string | undefined): number {
    if (value === undefined) return keyStart;
    const at = this.text.slice(valueStart, valueEnd).indexOf(value);
    return at === -1 ? valueStart : valueStart + at;
  }

  private lineAt(offset: number): number {
    return this.text.slice(0, offset).split('\n').length;
  }
}
