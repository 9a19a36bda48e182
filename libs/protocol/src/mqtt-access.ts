import { z } from 'zod';
import { deadLetterRoot } from './dead-letters.js';
import { deviceEventRoot } from './device-events.js';
import { type ServiceName, serviceName } from './entrances.js';
import { type DeviceId, localIdentityName, type PeerKind } from './ids.js';
import { serviceTopicRoot } from './rpc.js';
import { filterMatches, sharedFilter } from './topic-filter.js';
import { filtersOverlap } from './topic-overlap.js';

/**
 * What a client of MQTT is to the access table.
 *
 * `anonymous`: a client below level mutual, which proves nothing. `gateway`: the processes of thin-edge.io on the main
 * device, agent and mappers.
 */
export const mqttRole = z.enum(['anonymous', 'device', 'gateway', 'service', 'admin']);
export type MqttRole = z.infer<typeof mqttRole>;

/** What a client proved to an entrance: the name of its certificate, and of what kind that is. */
export interface ProvenPeer {
  readonly deviceId: DeviceId;
  readonly kind: PeerKind;
}

/** A client as the access table sees it. */
export type MqttParty =
  | { readonly role: 'anonymous' }
  | { readonly role: Exclude<MqttRole, 'anonymous'>; readonly name: DeviceId };

/** Rights for everybody in `roles`, and for everybody in `names`. */
export interface MqttAccessRule {
  readonly roles: readonly MqttRole[];
  /** Names of clients with an identity: device ids, names of services. */
  readonly names: readonly string[];
  /** Topic filters. `{id}` in them stands for the name of the client. */
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** What the rights are for, in a sentence for people. */
  readonly purpose: string;
}

/** Topic filters, of one rule or of all rules for one party. */
export type MqttFilters = Pick<MqttAccessRule, 'publish' | 'subscribe'>;

export interface MqttAccessOptions {
  /** First level of all topics of thin-edge.io: setting `mqtt.topic_root`. */
  readonly topicRoot?: string;
  /** First levels of the topics that are bridged to a cloud: settings `c8y.bridge.topic_prefix` and the like. */
  readonly cloudPrefixes?: readonly string[];
  /** Name in the certificate that the gateway shows to its cloud: setting `device.id`. It has role `gateway`. */
  readonly gatewayId?: string | undefined;
  /** Rules of the site. They add rights, and never rights to the topics of the services, but to read events. */
  readonly siteRules?: readonly MqttAccessRule[];
}

const defaultTopicRoot = 'te';
const defaultCloudPrefixes: readonly string[] = ['c8y', 'az', 'aws'];

// thin-edge.io gives the main device this name in topics. A child device with this id must not speak for it.
const mainDevice = 'main';

/** Whether a topic, or a filter, belongs to the services of Sallyport alone. */
export function isServiceTopic(topic: string): boolean {
  return isBelow(serviceTopicRoot, topic);
}

/** Whether a topic, or a filter, is one of the events of devices, which only services send. */
function isDeviceEventTopic(topic: string): boolean {
  return isBelow(deviceEventRoot, topic);
}

function isBelow(root: string, topic: string): boolean {
  return topic.startsWith(root) && (topic.length === root.length || topic[root.length] === '/');
}

/** The rules of the product, in the order of the documentation. */
export function standardRules(options: MqttAccessOptions = {}): MqttAccessRule[] {
  const root = options.topicRoot ?? defaultTopicRoot;
  const clouds = options.cloudPrefixes ?? defaultCloudPrefixes;
  return [...clientRules(root, clouds), ...serviceRules(root, clouds)];
}

function clientRules(root: string, clouds: readonly string[]): MqttAccessRule[] {
  const own = [`${root}/device/{id}/#`];
  const thinEdge = [`${root}/#`, ...clouds.map((prefix) => `${prefix}/#`), 'collectd/#'];
  const letters = `${deadLetterRoot}/#`;
  return [
    {
      ...to('anonymous'),
      publish: ['#'],
      subscribe: ['#', deviceEvents],
      purpose: 'Below level mutual nobody proves an identity, so all topics are open.',
    },
    { ...to('device'), ...both(...own), purpose: 'A device has its own topics, and those of its services.' },
    {
      ...to('gateway'),
      publish: thinEdge,
      subscribe: [...thinEdge, deviceEvents],
      purpose: 'Agent and mappers register devices, send them commands, and pass messages to the clouds.',
    },
    {
      ...to('admin'),
      publish: [...thinEdge, letters],
      subscribe: [...thinEdge, letters, deviceEvents, `${serviceTopicRoot}/event/#`, '$SYS/#'],
      purpose: 'An administrator looks after devices, reads events, and reads and removes dead letters.',
    },
  ];
}

const deviceEvents = `${deviceEventRoot}/#`;

/** Which services answer requests; the others only send them. */
const eventsFrom: Readonly<Partial<Record<ServiceName, readonly string[]>>> = {
  'device-registry': [
    'device-changed',
    'device-deleted',
    'certificates-withdrawn',
    'device-owner-changed',
    'connectors-changed',
    'client-ca-expiring',
  ],
  'pki-signer': ['certificate-issued', 'certificate-revoked', 'trust-bundle-changed'],
  connector: [],
  'coap-gateway': [],
};

/** The rules of a site say which topics it bridges, so it has no right to a topic of the services. */
const bridge: ServiceName = 'mqtt-bridge';

function serviceRules(root: string, clouds: readonly string[]): MqttAccessRule[] {
  // With a prefix, so that a service is not taken for a process of thin-edge.io.
  const health = `${root}/device/${mainDevice}/service/sallyport-{id}/#`;
  return [
    {
      ...named(...serviceName.options),
      publish: [health],
      subscribe: [health, `${root}/device/${mainDevice}///cmd/health/check`],
      purpose: 'A service registers itself, shows its health, and answers health checks.',
    },
    {
      ...named(...serviceName.options.filter((name) => name !== bridge)),
      publish: [`${serviceTopicRoot}/rpc/#`, `${deadLetterRoot}/{id}/#`],
      subscribe: [`${serviceTopicRoot}/event/#`, `${serviceTopicRoot}/reply/#`, `${deadLetterRoot}/{id}/#`],
      purpose: 'Our services read events, ask other services, and keep what they could not handle.',
    },
    ...Object.entries(eventsFrom).map(([service, events]) => answeringService(service, events)),
    {
      ...named('device-registry'),
      ...both(`${root}/#`),
      purpose: 'The registry keeps the entities: it reads what devices send, and registers and removes them.',
    },
    {
      ...named('device-registry'),
      ...both(deviceEvents),
      purpose: 'The registry sends events of devices, and passes all of them to webhooks and event streams.',
    },
    {
      ...named('connector', 'coap-gateway'),
      publish: [deviceEvents],
      subscribe: [],
      purpose: 'The connector and the CoAP gateway send events of devices.',
    },
    {
      ...named(bridge),
      publish: ['#'],
      subscribe: ['#', deviceEvents],
      purpose: 'The bridge passes messages to clouds and from them, by the rules of the site, on any topic of devices.',
    },
    {
      ...named('c8y-proxy'),
      publish: clouds.map((prefix) => `${prefix}/s/uat`),
      subscribe: clouds.map((prefix) => `${prefix}/s/dat`),
      purpose: 'The Cumulocity proxy asks the cloud for the token of this device, and does nothing else with a cloud.',
    },
  ];
}

function answeringService(service: string, events: readonly string[]): MqttAccessRule {
  return {
    ...named(service),
    publish: [`${serviceTopicRoot}/reply/#`, ...events.map((event) => `${serviceTopicRoot}/event/${event}`)],
    subscribe: [`${serviceTopicRoot}/rpc/${service}/#`],
    purpose: `Only ${service} answers requests to ${service}${events.length === 0 ? '' : ', and sends its events'}.`,
  };
}

function to(...roles: readonly MqttRole[]): Pick<MqttAccessRule, 'roles' | 'names'> {
  return { roles, names: [] };
}

function named(...names: readonly string[]): Pick<MqttAccessRule, 'roles' | 'names'> {
  return { roles: [], names };
}

function both(...filters: readonly string[]): Pick<MqttAccessRule, 'publish' | 'subscribe'> {
  return { publish: filters, subscribe: filters };
}

/** The filters a party may use, sorted by how fast they are compared with a topic. */
class FilterSet {
  private readonly exact = new Set<string>();
  /** Of filters like `a/b/#`: `a/b/`. */
  private readonly prefixes: string[] = [];
  private readonly patterns: string[] = [];

  constructor(readonly filters: readonly string[]) {
    for (const filter of new Set(filters)) this.add(filter);
  }

  private add(filter: string): void {
    const start = filter.endsWith('/#') ? filter.slice(0, -2) : filter;
    if (start.includes('+') || start.includes('#')) this.patterns.push(filter);
    else {
      this.exact.add(start);
      if (start !== filter) this.prefixes.push(`${start}/`);
    }
  }

  matches(topic: string): boolean {
    for (const prefix of this.prefixes) if (topic.startsWith(prefix)) return true;
    if (this.exact.has(topic)) return true;
    for (const pattern of this.patterns) if (filterMatches(pattern, topic)) return true;
    return false;
  }

  overlaps(filter: string): boolean {
    return this.filters.some((own) => filtersOverlap(own, filter));
  }
}

/**
 * Reserved are the topics of the services, the events of devices, and the topics of the broker (`$...`): only a filter
 * that names them gives a right to them. All other topics are open to wildcards too.
 */
class Direction {
  private readonly reserved: FilterSet;
  private readonly open: FilterSet;

  constructor(filters: readonly string[]) {
    this.reserved = new FilterSet(filters.filter(isReserved));
    this.open = new FilterSet(filters.filter((filter) => !isReserved(filter)));
  }

  allowsTopic(topic: string): boolean {
    return (isReserved(topic) ? this.reserved : this.open).matches(topic);
  }

  allowsFilter(filter: string): boolean {
    return this.reserved.overlaps(filter) || (!isReserved(filter) && this.open.overlaps(filter));
  }
}

function isReserved(topicOrFilter: string): boolean {
  return topicOrFilter.startsWith('$') || isServiceTopic(topicOrFilter) || isDeviceEventTopic(topicOrFilter);
}

interface Rights {
  readonly publish: Direction;
  readonly subscribe: Direction;
}

/**
 * The access table of a site: who may publish and receive what. It is the only source: the embedded broker asks it, and
 * the access rules of Mosquitto and the reference page are made from it.
 *
 * The rights of a party are compiled when it is first seen, so keep one party object for each connection.
 */
export class MqttAccess {
  private standard: readonly MqttAccessRule[];
  private siteRules: readonly MqttAccessRule[];
  private readonly gatewayId: string | undefined;
  private rightsByParty = new WeakMap<MqttParty, Rights>();
  private readonly listeners: (() => void)[] = [];

  constructor(private readonly options: MqttAccessOptions = {}) {
    this.standard = standardRules(options);
    this.siteRules = options.siteRules ?? [];
    this.gatewayId = options.gatewayId;
  }

  /** All rules, those of the site last. */
  get rules(): readonly MqttAccessRule[] {
    return [...this.standard, ...this.siteRules];
  }

  /** Names of devices that have role `gateway`. */
  get gatewayIds(): readonly string[] {
    return this.gatewayId === undefined ? [] : [this.gatewayId];
  }

  /** The filters a party has rights to, with its name in its place. */
  filtersOf(party: MqttParty): MqttFilters {
    const [own, added] = [filtersIn(this.standard, party), filtersIn(this.siteRules, party)];
    const isOpen = (filter: string) => !isReserved(filter);
    return {
      publish: [...own.publish, ...added.publish.filter(isOpen)],
      subscribe: [...own.subscribe, ...added.subscribe.filter((each) => isOpen(each) || isDeviceEventTopic(each))],
    };
  }

  /** Takes other rules of the site, from the next question on; for open connections too. */
  replaceSiteRules(rules: readonly MqttAccessRule[]): void {
    this.siteRules = rules;
    this.forgetRights();
  }

  /** Takes other prefixes of clouds, as `replaceSiteRules` does. */
  replaceCloudPrefixes(cloudPrefixes: readonly string[]): void {
    const standard = standardRules({ ...this.options, cloudPrefixes });
    if (JSON.stringify(standard) === JSON.stringify(this.standard)) return;
    this.standard = standard;
    this.forgetRights();
  }

  private forgetRights(): void {
    this.rightsByParty = new WeakMap();
    for (const listener of this.listeners) listener();
  }

  /** Calls the listener after each change of the rules. For whoever remembers answers of this table. */
  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** @param peer what the client proved; undefined when it did not have to */
  partyOf(peer: ProvenPeer | undefined): MqttParty {
    if (peer === undefined) return { role: 'anonymous' };
    const { deviceId: name, kind } = peer;
    if (kind === 'service' && name === localIdentityName.enum['local-client']) return { role: 'gateway', name };
    // The gateway may show the certificate it has for its cloud. Its private key is on the same machine.
    if (kind === 'device' && name === this.gatewayId) return { role: 'gateway', name };
    return { role: kind, name };
  }

  /** Whether a party may publish to a topic, or have its last will published there. */
  mayPublish(party: MqttParty, topic: string): boolean {
    return this.rightsOf(party).publish.allowsTopic(topic);
  }

  /**
   * Whether a subscription can bring a party anything. A filter that is wider than the rights is granted, as most brokers
   * do. So for each message `mayReceive` decides.
   */
  maySubscribe(party: MqttParty, filter: string): boolean {
    return this.rightsOf(party).subscribe.allowsFilter(sharedFilter(filter) ?? filter);
  }

  /** Whether a message to a topic may reach a party. */
  mayReceive(party: MqttParty, topic: string): boolean {
    return this.rightsOf(party).subscribe.allowsTopic(topic);
  }

  private rightsOf(party: MqttParty): Rights {
    let rights = this.rightsByParty.get(party);
    if (rights === undefined) {
      rights = this.compile(party);
      this.rightsByParty.set(party, rights);
    }
    return rights;
  }

  private compile(party: MqttParty): Rights {
    const { publish, subscribe } = this.filtersOf(party);
    return { publish: new Direction(publish), subscribe: new Direction(subscribe) };
  }
}

/**
 * Whether a rule is for this party. Names of services, of the programs of this machine and of its administrator are
 * theirs only: a device cannot borrow them.
 */
export function isRuleFor({ roles, names }: Pick<MqttAccessRule, 'roles' | 'names'>, party: MqttParty): boolean {
  if (roles.includes(party.role)) return true;
  if (party.role === 'anonymous' || !names.includes(party.name)) return false;
  if (serviceName.safeParse(party.name).success) return party.role === 'service';
  return party.role !== 'device' || !localIdentityName.safeParse(party.name).success;
}

function filtersIn(rules: readonly MqttAccessRule[], party: MqttParty): MqttFilters {
  const own = rules.filter((rule) => isRuleFor(rule, party));
  return {
    publish: own.flatMap(({ publish }) => filtersFor(publish, party)),
    subscribe: own.flatMap(({ subscribe }) => filtersFor(subscribe, party)),
  };
}

function filtersFor(filters: readonly string[], party: MqttParty): string[] {
  if (party.role === 'anonymous') return filters.filter((filter) => !filter.includes(ownName));
  const isMain = party.role === 'device' && party.name === mainDevice;
  return filters
    .filter((filter) => !(isMain && filter.includes(ownName)))
    .map((filter) => filter.replaceAll(ownName, () => party.name));
}

/** Stands for the name of the client in the filters of a rule. Device ids hold no braces. */
export const ownName = '{id}';

/**
 * The user name under which a broker behind the door knows a party. Device ids hold no "/", so no device can have the
 * name of another role.
 */
export function userNameOf(party: MqttParty): string {
  switch (party.role) {
    case 'device':
      return party.name;
    case 'service':
      return `service/${party.name}`;
    case 'anonymous':
    case 'gateway':
    case 'admin':
      return `role/${party.role}`;
    default:
      return party satisfies never;
  }
}

/**
 * The client id under which a broker behind the door knows a session: first the proven identity, so that no client takes
 * over the session of another identity. `+`, `#` and `%` are escaped: Mosquitto gives a client whose id holds a wildcard
 * no rights at all, and thin-edge.io names its sessions `tedge-agent#te/device/child01//`.
 */
export function sessionIdOf(party: MqttParty, clientId: string): string {
  const identity = party.role === 'anonymous' ? party.role : `${party.role}/${party.name}`;
  return `${identity}/${clientId.replaceAll(/[%+#]/g, encodeURIComponent)}`;
}
