import { randomUUID } from 'node:crypto';
import { type DeviceId, type PeerKind, serviceTopicRoot } from '@sallyport/protocol';

/** What a client of the network has proved about itself. */
export interface BrokerPeer {
  readonly deviceId: DeviceId;
  readonly kind: PeerKind;
}

/** Where a connection comes from: a service of this process, or the network, with or without a proven identity. */
export type Origin = { readonly kind: 'service' } | { readonly kind: 'network'; readonly peer: BrokerPeer | undefined };

/** Who may say and hear what. */
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
 * Whether an origin may subscribe to a filter. Wildcards that reach the services' topics are granted and see nothing of
 * them, as brokers commonly do; `$share` is refused to everybody, because this broker would take it literally.
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

/** The services' topics are for services alone, everything else is open to everybody. */
export const openRules: AccessRules = { mayPublish, maySubscribe, mayReceive };

/**
 * The name of a client's session inside the broker. The identity comes first, so nobody can take over or evict the
 * session of another identity, whatever client id it chooses; a device may still open several sessions.
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
  // Device ids hold no "/" (see `deviceId` of @sallyport/protocol), so the border between id and client id is plain.
  return origin.peer === undefined ? 'anonymous' : `${origin.peer.kind}-peer/${origin.peer.deviceId}`;
}
