import { randomUUID } from 'node:crypto';
import { type DeviceId, type PeerKind, serviceTopicRoot } from '@sallyport/protocol';

/** What a client of the network has proved about itself. */
export interface BrokerPeer {
  readonly deviceId: DeviceId;
  readonly kind: PeerKind;
}

/** Where a connection comes from: a service of this process, or the network, with or without a proven identity. */
export type Origin = { readonly kind: 'service' } | { readonly kind: 'network'; readonly peer: BrokerPeer | undefined };

/** Who may publish, subscribe and receive. */
export interface AccessRules {
  mayPublish(origin: Origin, topic: string): boolean;
  /** @param session name of the client's session inside the broker */
  maySubscribe(origin: Origin, filter: string, session: string): boolean | Promise<boolean>;
  mayReceive(origin: Origin, topic: string): boolean;
}

/** Whether a topic belongs to the services of Sallyport alone. */
export function isServiceTopic(topic: string): boolean {
  return topic === serviceTopicRoot || topic.startsWith(`${serviceTopicRoot}/`);
}

/** Whether an origin may publish to a topic; `$` topics are the broker's own. */
function mayPublish(origin: Origin, topic: string): boolean {
  if (topic.startsWith('$')) return false;
  return origin.kind === 'service' || !isServiceTopic(topic);
}

/**
 * Whether an origin may subscribe to a filter. A wildcard filter that also matches topics of the services is granted,
 * but their messages are not delivered; most brokers do the same. `$share` is refused to everybody: this broker does
 * not know shared subscriptions.
 */
function maySubscribe(origin: Origin, filter: string): boolean {
  if (filter.startsWith('$')) return false;
  return origin.kind === 'service' || !isServiceTopic(filter);
}

/** Whether a message to a topic may reach an origin. */
function mayReceive(origin: Origin, topic: string): boolean {
  if (topic.startsWith('$')) return false;
  return origin.kind === 'service' || !isServiceTopic(topic);
}

/** Only services may use the topics of the services. Everybody may use all others. */
export const openRules: AccessRules = { mayPublish, maySubscribe, mayReceive };

/**
 * The name of a client's session inside the broker. The identity comes first, so no client id can take over the
 * session of another identity. One device may open several sessions.
 *
 * @returns undefined when a client without an id wants its session kept [MQTT-3.1.3-8]
 */
export function sessionName(origin: Origin, clientId: string, isClean: boolean): string | undefined {
  if (clientId === '' && !isClean) return undefined;
  return `${identityOf(origin)}/${clientId === '' ? randomUUID() : clientId}`;
}

/** Whether a session belongs to a service of this process. */
export function isServiceSession(name: string): boolean {
  return name.startsWith('service/');
}

/** What the sessions of one proven identity have in common; undefined when nobody proved anything. */
export function identityPrefix(name: string): string | undefined {
  const [kind, id] = name.split('/', 2);
  return kind === 'anonymous' ? undefined : `${kind}/${id}/`;
}

function identityOf(origin: Origin): string {
  if (origin.kind === 'service') return 'service';
  // Device ids hold no "/" (see `deviceId` of @sallyport/protocol), so the first "/" after the id ends it.
  return origin.peer === undefined ? 'anonymous' : `${origin.peer.kind}-peer/${origin.peer.deviceId}`;
}
