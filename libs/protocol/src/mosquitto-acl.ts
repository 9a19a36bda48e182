import { deviceEventRoot } from './device-events.js';
import { serviceName } from './entrances.js';
import { deviceId, localIdentityName } from './ids.js';
import { type MqttAccess, type MqttAccessRule, type MqttParty, ownName, userNameOf } from './mqtt-access.js';
import { serviceTopicRoot } from './rpc.js';
import { filtersOverlap } from './topic-overlap.js';

/**
 * Whom Mosquitto's user names come from. `door`: from our door, or from a service on the back side, so they tell roles
 * apart (`userNameOf`). `certificate`: from the CN of the client's certificate. `nobody`: clients have no name.
 */
export type MosquittoNames = 'door' | 'certificate' | 'nobody';

/** What Mosquitto calls a party, and what that party is to the table. */
interface MosquittoUser {
  readonly userName: string;
  readonly party: MqttParty;
}

/**
 * The access table as an `acl_file` of Mosquitto 2. What it does not list is forbidden.
 *
 * Mosquitto knows rights of one user name (`topic`), and rights of all with the name in the topic (`pattern`). So a rule
 * for the role "device" is a pattern. The patterns are for the other users too; lines with `deny` take them back.
 *
 * @param devices names of devices that get their rights by their name. Mosquitto gives a client no right from a pattern if
 *   its client id holds "#" or "+", and thin-edge.io names its sessions so.
 * @see mosquitto.conf(5), `acl_file`
 */
export function mosquittoAcl(access: MqttAccess, names: MosquittoNames, devices: readonly string[] = []): string {
  const heading = [
    '# Made by Sallyport from its access table (docs/reference/mqtt-access.md). Do not change it by hand.',
  ];
  if (names === 'nobody') return joined([heading, anonymousSection(access)]);
  const users = usersOf(access, names, devices);
  const sections = users.map((user) => [...userSection(access, user), ...(isCutter(user, names) ? cutterLines : [])]);
  return joined([heading, ...sections, patternSection(access)]);
}

/** Without the door, the certificate of the broker itself ends the sessions of revoked clients, through a plug-in. */
const cutterLines = ['topic write $CONTROL/dynamic-security/v1', 'topic read $CONTROL/dynamic-security/v1/response'];

function isCutter({ party }: MosquittoUser, names: MosquittoNames): boolean {
  return names === 'certificate' && party.role === 'service' && party.name === serviceName.enum['mqtt-broker'];
}

function joined(sections: readonly (readonly string[])[]): string {
  return `${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function anonymousSection(access: MqttAccess): string[] {
  const lines = topicLines(access, { role: 'anonymous' }, []);
  // Lines before the first `user` are for clients without a user name. A client that gives one has not proved it: it gets
  // the same rights, by patterns without a name in them.
  return [...lines, ...lines.map((line) => line.replace(/^topic/, 'pattern'))];
}

function usersOf(access: MqttAccess, names: MosquittoNames, devices: readonly string[]): MosquittoUser[] {
  const isDoor = names === 'door';
  const services = serviceName.options.map((name) =>
    access.partyOf({ deviceId: deviceId.parse(name), kind: 'service' }),
  );
  const gateway = access.partyOf({ deviceId: deviceId.parse(localIdentityName.enum['local-client']), kind: 'service' });
  const operator = access.partyOf({ deviceId: deviceId.parse(localIdentityName.enum.operator), kind: 'admin' });
  const fixed = [...services, gateway, operator, ...(isDoor ? [{ role: 'anonymous' } as const] : [])];
  const known = [
    ...fixed.map((party) => ({ userName: nameOf(party, isDoor), party })),
    ...namedUsers(access, isDoor, devices),
  ];
  // A rule of the site may name one that is known already, such as the operator.
  return known.filter(({ userName }, index) => known.findIndex((other) => other.userName === userName) === index);
}

/** A CN does not tell its kind. So behind a certificate a name is a service if one of ours has it. */
function nameOf(party: MqttParty, isDoor: boolean): string {
  return isDoor || party.role === 'anonymous' ? userNameOf(party) : party.name;
}

/** The device that is the gateway itself, `main` (which has no rights), and names in rules of the site. */
function namedUsers(access: MqttAccess, isDoor: boolean, devices: readonly string[]): MosquittoUser[] {
  const ruled = access.rules.flatMap(({ names }) => names).filter((name) => !serviceName.safeParse(name).success);
  const ids = [...new Set(['main', ...access.gatewayIds, ...ruled, ...devices])].map((id) => deviceId.parse(id));
  return ids.flatMap((id) => {
    const party = access.partyOf({ deviceId: id, kind: 'device' });
    const device = { userName: nameOf(party, isDoor), party };
    const service = access.partyOf({ deviceId: id, kind: 'service' });
    return isDoor && ruled.includes(id) ? [device, { userName: userNameOf(service), party: service }] : [device];
  });
}

function userSection(access: MqttAccess, { userName, party }: MosquittoUser): string[] {
  const lines = topicLines(access, party, foreignPatterns(access, { userName, party }));
  return [`user ${userName}`, ...(lines.length === 0 ? ['# no rights of its own'] : lines)];
}

/** Topics that the patterns of devices would give to this user, who has no right to them. */
function foreignPatterns(access: MqttAccess, { userName, party }: MosquittoUser): string[] {
  const { publish, subscribe } = access.filtersOf(party);
  const own = [...publish, ...subscribe];
  return devicePatterns(access)
    .filter((filter) => filter.includes(ownName))
    .map((filter) => filter.replaceAll(ownName, () => userName))
    .filter((filter) => !own.some((other) => filtersOverlap(filter, other)));
}

function topicLines(access: MqttAccess, party: MqttParty, foreign: readonly string[]): string[] {
  const { publish, subscribe } = access.filtersOf(party);
  const isOpen = publish.includes('#');
  // What Mosquitto denies it denies in both directions. So whoever may publish everything reads no events of devices.
  const closed = isOpen ? [`${serviceTopicRoot}/#`, `${deviceEventRoot}/#`] : [];
  const denied = [...foreign, ...closed];
  const granted = subscribe.filter((filter) => !closed.includes(filter));
  return [...denied.map((filter) => `topic deny ${filter}`), ...grants('topic', publish, granted)];
}

function patternSection(access: MqttAccess): string[] {
  const rules = access.rules.filter(isForDevices);
  const withUser = (filters: readonly string[]) => filters.map((filter) => filter.replaceAll(ownName, '%u'));
  return rules.flatMap(({ publish, subscribe, purpose }) => [
    `# ${purpose}`,
    ...grants('pattern', withUser(publish), withUser(subscribe)),
  ]);
}

function devicePatterns(access: MqttAccess): string[] {
  const rules = access.rules.filter(isForDevices);
  return [...new Set(rules.flatMap(({ publish, subscribe }) => [...publish, ...subscribe]))];
}

function isForDevices({ roles }: MqttAccessRule): boolean {
  return roles.includes('device');
}

function grants(kind: 'topic' | 'pattern', publish: readonly string[], subscribe: readonly string[]): string[] {
  return [...new Set([...publish, ...subscribe])].map((filter) => {
    const isBoth = publish.includes(filter) && subscribe.includes(filter);
    return `${kind} ${isBoth ? 'readwrite' : publish.includes(filter) ? 'write' : 'read'} ${filter}`;
  });
}
