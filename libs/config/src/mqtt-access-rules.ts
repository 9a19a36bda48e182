import {
  deviceEventRoot,
  filtersOverlap,
  isTopicFilter,
  type MqttAccessRule,
  mqttRole,
  ownName,
  serviceName,
  serviceTopicRoot,
} from '@sallyport/protocol';
import { shownValue } from './faults.js';
import { faultAt, partiesOf, type RulePlace, type RuleTable, readRuleTables, rolesOf, textsOf } from './rule-tables.js';
import type { TomlTable } from './toml.js';

// The rights of each client are compared with each message. So a file of rules has a size that stays fast.
const mostRules = 256;

const listKeys = ['roles', 'names', 'publish', 'subscribe'];

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

function readRule(rule: RuleTable): MqttAccessRule {
  const { table, ...place } = rule;
  const { names, purpose = 'A rule of this site.' } = partiesOf(rule, listKeys);
  const roles = rolesOf(rule, siteRoles);
  for (const name of names)
    if (serviceName.safeParse(name).success)
      throw faultAt(place, 'names', `names holds "${name}". A service of Sallyport has the rights it needs.`, name);
  const [publish, subscribe] = [filtersOf(table, 'publish', place), filtersOf(table, 'subscribe', place)];
  if (publish.length + subscribe.length === 0)
    throw faultAt(place, undefined, 'The rule gives no rights. Set publish or subscribe.');
  return { roles, names, publish, subscribe, purpose };
}

function filtersOf(table: TomlTable, key: 'publish' | 'subscribe', place: RulePlace): string[] {
  const filters = textsOf({ table, place, key });
  for (const filter of filters) {
    const reason = filterFault(filter) ?? (key === 'publish' ? forgeryFault(filter) : undefined);
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
  if (reaches(filter, serviceTopicRoot))
    return `it reaches ${serviceTopicRoot}/#, which belongs to the services. Begin with a first level that does not.`;
  return undefined;
}

function forgeryFault(filter: string): string | undefined {
  if (!reaches(filter, deviceEventRoot)) return undefined;
  return `it reaches ${deviceEventRoot}/#, where only services publish. Begin with a first level that does not.`;
}

function reaches(filter: string, root: string): boolean {
  // A device may have any name, also that of a level of the root.
  const widest = filter.split('/').map((level) => (level.includes(ownName) ? '+' : level));
  return filtersOverlap(widest.join('/'), `${root}/#`);
}
