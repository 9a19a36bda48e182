import { randomUUID } from 'node:crypto';
import {
  deviceId,
  type MqttAccess,
  type MqttParty,
  type ProvenPeer,
  peerKind,
  serviceName,
  sharedFilter,
} from '@sallyport/protocol';

/** What a client of the network has proved about itself. */
export type BrokerPeer = ProvenPeer;

/** Where a connection comes from: a service of this process, or the network, with or without a proven identity. */
export type Origin = { readonly kind: 'service' } | { readonly kind: 'network'; readonly peer: BrokerPeer | undefined };

/** Who may publish, subscribe and receive. */
export interface AccessRules {
  mayPublish(origin: Origin, topic: string): boolean;
  /** @param session name of the client's session inside the broker */
  maySubscribe(origin: Origin, filter: string, session: string): boolean | Promise<boolean>;
  mayReceive(origin: Origin, topic: string): boolean;
}

/**
 * The rules of the access table. A service of this process may use all topics but those of the broker (`$...`): between
 * services of one process there is no boundary to guard.
 */
export function tableRules(access: MqttAccess): AccessRules {
  const partyOf = rememberedParties(access);
  return {
    mayPublish: (origin, topic) => {
      const party = partyOf(origin);
      return party === undefined ? !topic.startsWith('$') : access.mayPublish(party, topic);
    },
    maySubscribe: (origin, filter) => {
      const wanted = sharedFilter(filter) ?? filter;
      // This broker has no topics of its own. A grant would be a promise it does not keep.
      if (wanted.startsWith('$')) return false;
      const party = partyOf(origin);
      return party === undefined || access.maySubscribe(party, wanted);
    },
    mayReceive: (origin, topic) => {
      const party = partyOf(origin);
      return party === undefined ? !topic.startsWith('$') : access.mayReceive(party, topic);
    },
  };
}

/** One party for each origin, so that the table compiles its rights once. Undefined for a service of this process. */
function rememberedParties(access: MqttAccess): (origin: Origin) => MqttParty | undefined {
  const parties = new WeakMap<Origin, MqttParty>();
  return (origin) => {
    if (origin.kind === 'service') return undefined;
    let party = parties.get(origin);
    if (party === undefined) {
      party = access.partyOf(origin.peer);
      parties.set(origin, party);
    }
    return party;
  };
}

/**
 * The name of a client's session inside the broker. The identity comes first, so no client id can take over the
 * session of another identity. One device may open several sessions. A client without an id gets one.
 */
export function sessionName(origin: Origin, clientId: string): string {
  return `${identityOf(origin)}/${clientId === '' ? randomUUID() : clientId}`;
}

/** The origin of the client that a session name belongs to. */
export function originOf(name: string): Origin {
  const [first, id] = name.split('/', 2);
  if (first === 'service') return { kind: 'service' };
  const kind = peerKind.safeParse(first?.replace(/-peer$/, ''));
  const proven = deviceId.safeParse(id);
  if (!kind.success || !proven.success || !first?.endsWith('-peer')) return { kind: 'network', peer: undefined };
  return { kind: 'network', peer: { deviceId: proven.data, kind: kind.data } };
}

/** Whether nobody knows who a client is: it came in below level mutual. */
export function isAnonymous(origin: Origin): boolean {
  return origin.kind === 'network' && origin.peer === undefined;
}

/**
 * Whether an origin is a service of Sallyport, in this process or in another one. A certificate of kind `service` alone
 * does not say so: the programs of thin-edge.io have one too.
 */
export function isService(origin: Origin): boolean {
  if (origin.kind === 'service') return true;
  return origin.peer?.kind === 'service' && serviceName.safeParse(origin.peer.deviceId).success;
}

/**
 * Whose share an origin uses: that of the identity it proved, else that of its network.
 *
 * @param network address that a client cannot choose freely
 */
export function ownerOf(origin: Origin, network: string): string {
  return isAnonymous(origin) ? `network/${network}` : identityOf(origin);
}

function identityOf(origin: Origin): string {
  if (origin.kind === 'service') return 'service';
  // Device ids hold no "/" (see `deviceId` of @sallyport/protocol), so the first "/" after the id ends it.
  return origin.peer === undefined ? 'anonymous' : `${origin.peer.kind}-peer/${origin.peer.deviceId}`;
}
