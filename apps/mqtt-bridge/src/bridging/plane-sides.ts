import type { Duplex } from 'node:stream';
import { type CloudConnection, dialCloud, explainCloudFault, mqttLogin } from '@sallyport/cloud';
import { quoted } from '@sallyport/config';
// Not from the index of the library, with which all of Nest would come into the worker.
import { openTransport } from '@sallyport/mqtt/transport';
import type { Will } from '@sallyport/mqtt-wire';
import type { ConnectionOnce } from '@sallyport/runtime';
import type { BridgeSide, ConnectTerms } from '../plane/bridge-types.js';
import type { BridgePlan, CloudFacts, PlannedMessage, PlannedTerms } from './bridge-plan.js';
import type { PlaneAccess } from './planes.js';

/** User name and password, as the last `open` has read them. */
interface Login {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** The local broker, as the plane reaches it. */
export function localSide({ local }: BridgePlan, access: PlaneAccess): BridgeSide {
  let login: Login = {};
  return {
    open: async (signal) => {
      const once = await access.connectLocal();
      login = once.kind === 'network' ? (once.credentials ?? {}) : {};
      return openWhileWanted(once, signal);
    },
    terms: () => termsOf(local, login),
  };
}

async function openWhileWanted(once: ConnectionOnce, signal: AbortSignal): Promise<Duplex> {
  const stream = once.kind === 'stream' ? once.stream : await openNetwork(once);
  if (!signal.aborted) return stream;
  stream.destroy();
  throw signal.reason;
}

function openNetwork({ url, tls }: Extract<ConnectionOnce, { readonly kind: 'network' }>): Promise<Duplex> {
  return openTransport({ kind: 'network', url, clientId: '', ...(tls === undefined ? {} : { tls: async () => tls }) });
}

/** The broker of the cloud, as the plane reaches it. Certificates and credentials are read at each attempt. */
export function remoteSide({ cloud, remote }: BridgePlan, access: PlaneAccess): BridgeSide {
  const connection = connectionOf(cloud, access);
  let login: Login = {};
  return {
    open: async (signal) => {
      login = await mqttLogin(connection);
      return dialCloud(connection, { endpoint: 'mqtt', signal });
    },
    terms: () => termsOf(remote, login),
    ...(cloud.maxPayloadBytes === undefined ? {} : { largestPublishBytes: cloud.maxPayloadBytes }),
  };
}

/** Why the cloud cannot be reached, in words of people, with what to do. */
export async function cloudFaultText({ cloud }: BridgePlan, access: PlaneAccess, fault: unknown): Promise<string> {
  const { what, advice } = await explainCloudFault(fault, connectionOf(cloud, access));
  return advice === '' ? what : `${what} ${advice}`;
}

function connectionOf({ commands, ...facts }: CloudFacts, access: PlaneAccess): CloudConnection {
  return {
    ...facts,
    commandToSet: (name, value) => commands[name].replace('VALUE', () => quoted(value)),
    credentials: () => access.credentials(),
  };
}

function termsOf({ will, greeting, ...terms }: PlannedTerms, { username, password }: Login): ConnectTerms {
  return {
    ...terms,
    ...(username === undefined ? {} : { userName: username }),
    ...(password === undefined ? {} : { password: Buffer.from(password) }),
    ...(will === undefined ? {} : { will: willOf(will) }),
    ...(greeting === undefined ? {} : { greetings: [{ ...greeting, payload: Buffer.from(greeting.payload) }] }),
  };
}

function willOf({ topic, payload, retain }: PlannedMessage): Will {
  return { topic, payload: Buffer.from(payload), qos: 1, retain, properties: undefined };
}
