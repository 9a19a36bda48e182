import { mqttRole, ownName } from '@sallyport/protocol';
import type { z } from 'zod';
import { shownValue } from './faults.js';
import { faultAt, partiesOf, type RulePlace, type RuleTable, readRuleTables, rolesOf, textsOf } from './rule-tables.js';

// Each request is compared with the rules of its client.
const mostRules = 256;

const listKeys = ['roles', 'names', 'methods', 'paths'];

/** Methods that the proxy passes on. */
export const c8yProxyMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/** The roles of clients, as in the access table of MQTT. */
export type C8yProxyRole = z.infer<typeof mqttRole>;

/** What everybody in `roles`, and everybody in `names`, may do. */
export interface C8yProxyRule {
  readonly roles: readonly C8yProxyRole[];
  /** Ids of devices, names of programs with a certificate. */
  readonly names: readonly string[];
  readonly methods: readonly string[];
  /**
   * Beginnings of paths of the tenant, each followed by the end of the path or by "/". Decoded; `{id}` in them stands for
   * the name of the client.
   */
  readonly paths: readonly string[];
}

/**
 * Reads the rules of a site for clients of the Cumulocity proxy.
 *
 * ```toml
 * [[rule]]
 * purpose = "Presses send measurements, and read their own entry."
 * roles = ["device"]                # device, gateway, service, admin, anonymous
 * names = ["press-7"]               # ids of devices, names of programs with a certificate
 * methods = ["GET", "POST"]         # left out: every method
 * paths = ["/measurement", "/identity/externalIds/c8y_Serial/{id}"]
 * ```
 *
 * @param file name of the file in errors
 * @throws Problem `config-invalid`, which names the line and the value
 */
export function parseC8yProxyRules(text: string, file: string): C8yProxyRule[] {
  return readRuleTables(text, file, mostRules).map(readRule);
}

function readRule(rule: RuleTable): C8yProxyRule {
  const { table, ...place } = rule;
  const { names } = partiesOf(rule, listKeys);
  const roles = rolesOf(rule, mqttRole);
  const methods = textsOf({ table, place, key: 'methods' }).map((value) => methodOf(value, place));
  const paths = textsOf({ table, place, key: 'paths' }).map((value) => pathOf(value, place));
  if (paths.length === 0) throw faultAt(place, undefined, 'The rule gives no rights. Set paths; "/" is every path.');
  if (table['methods'] !== undefined && methods.length === 0)
    throw faultAt(place, 'methods', 'methods is empty. Leave it out to allow every method.');
  return { roles, names, methods: methods.length === 0 ? c8yProxyMethods : methods, paths };
}

function methodOf(value: string, place: RulePlace): string {
  if (c8yProxyMethods.some((method) => method === value)) return value;
  const known = c8yProxyMethods.join(', ');
  throw faultAt(place, 'methods', `methods holds ${shownValue(value)}. The proxy passes on: ${known}.`, value);
}

function pathOf(value: string, place: RulePlace): string {
  const reason = pathFault(value);
  if (reason === undefined) return value;
  throw faultAt(place, 'paths', `paths holds ${shownValue(value)}: ${reason}`, value);
}

/** What is wrong with a path of a rule; undefined when nothing is. */
function pathFault(path: string): string | undefined {
  if (!path.startsWith('/')) return 'a path begins with "/".';
  if (path === '/c8y' || path.startsWith('/c8y/')) return 'write the path as the tenant knows it, without "/c8y".';
  if (/[%?#*\\]/.test(path))
    return 'write it decoded, without a query and without wildcards. It is the beginning of paths.';
  if (/\p{Cc}/u.test(path)) return 'it holds a control character.';
  const levels = path.slice(1).replace(/\/$/, '').split('/');
  if (path !== '/' && levels.some((level) => ['', '.', '..'].includes(level)))
    return 'it has an empty level, "." or "..".';
  if (/[{}]/.test(path.replaceAll(ownName, '')))
    return `the only text in braces is ${ownName}, for the name of the client.`;
  return undefined;
}
