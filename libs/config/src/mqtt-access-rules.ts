import {
  deviceId,
  filtersOverlap,
  isTopicFilter,
  type MqttAccessRule,
  mqttRole,
  ownName,
  serviceName,
  serviceTopicRoot,
} from '@sallyport/protocol';
import { shownValue } from './faults.js';
import { faultAt, type RulePlace, type RuleTable, readRuleTables, textsOf } from './rule-tables.js';
import type { TomlTable } from './toml.js';

// The rights of each client are compared with each message. So a file of rules has a size that stays fast.
const mostRules = 256;

const listKeys = ['roles', 'names', 'publish', 'subscribe'] as const;
type ListKey = (typeof listKeys)[number];

/** Roles a site may give rights to. Services have the rights of the product; a client without identity has all others. */
const siteRoles = mqttRole.extract(['device', 'gateway', 'admin']);

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
  return readRuleTables(text, file, mostRules).map(readRule);
}

function readRule({ table, ...place }: RuleTable): MqttAccessRule {
  const { purpose, ...lists } = table;
  for (const key of Object.keys(lists))
    if (!isListKey(key)) throw faultAt(place, key, `"${key}" is not known. Use purpose, ${listKeys.join(', ')}.`);
  if (purpose !== undefined && typeof purpose !== 'string')
    throw faultAt(place, 'purpose', `purpose is ${shownValue(purpose)}, which is not a text.`);
  const roles = textsOf({ table, place, key: 'roles' }).map((value) => roleOf(value, place));
  const names = textsOf({ table, place, key: 'names' }).map((value) => nameOf(value, place));
  const [publish, subscribe] = [filtersOf(table, 'publish', place), filtersOf(table, 'subscribe', place)];
  if (roles.length + names.length === 0) throw faultAt(place, undefined, 'The rule is for nobody. Set roles or names.');
  if (publish.length + subscribe.length === 0)
    throw faultAt(place, undefined, 'The rule gives no rights. Set publish or subscribe.');
  return { roles, names, publish, subscribe, purpose: purpose ?? 'A rule of this site.' };
}

function isListKey(key: string): key is ListKey {
  return listKeys.some((known) => known === key);
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

function filtersOf(table: TomlTable, key: 'publish' | 'subscribe', place: RulePlace): string[] {
  const filters = textsOf({ table, place, key });
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
