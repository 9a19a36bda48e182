import { isIP, connect as netConnect, type Socket } from 'node:net';
import { type ConnectionOptions, type SecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { within } from '@sallyport/concurrency';
import { lookupHost } from '@sallyport/protocol';
import type { CloudConnection, HostAndPort, IdentityFiles } from './cloud-connection.js';
import { CloudDialError, type DialStage } from './dial-error.js';
import { isReachedDirectly } from './no-proxy.js';
import { openTunnel } from './proxy-tunnel.js';
import { secureContextFor } from './secure-context.js';

/** Milliseconds a dial may take. */
export interface DialDeadlines {
  /** Name lookup, TCP, and the tunnel of a proxy. */
  readonly connectMs: number;
  readonly handshakeMs: number;
}

export interface DialOptions {
  /** `http` exists for Cumulocity only. */
  readonly endpoint: 'mqtt' | 'http';
  /** Protocols to offer (RFC 7301), such as `http/1.1`. */
  readonly alpn?: readonly string[];
  /** Ends the dial. Afterwards it has no effect. */
  readonly signal?: AbortSignal;
  readonly deadlines?: Partial<DialDeadlines>;
  /** Another identity than that of the settings: one that is tried out. */
  readonly identity?: IdentityFiles;
}

const usualDeadlines: DialDeadlines = { connectMs: 20_000, handshakeMs: 20_000 };

/**
 * Opens a connection to a cloud: TCP, or a tunnel through the HTTP proxy, and then TLS 1.2 or newer; to a broker with the
 * identity of this device. The server must prove the host name with a CA of `rootCertPath`, and no other.
 *
 * Identity and roots are read from their files at each dial, so renewed files need no restart. Key and certificate are
 * checked to pair before anything is sent. A user-defined mapper without TLS gets the plain connection.
 *
 * With TLS 1.3 a server judges the certificate of the device after the handshake (RFC 8446 §4.4.2.4): a refusal is then the
 * first error of the returned socket. Give that error to `explainCloudFault` too.
 *
 * @returns the connected socket, without listeners of ours, with Nagle's algorithm off. The caller closes it.
 * @throws Problem `config-invalid`: a file is missing or unusable, or key and certificate do not pair; nothing was dialled
 * @throws CloudDialError: the cloud or the proxy could not be reached, or one of them refused
 * @throws the reason of `signal`
 */
export async function dialCloud(connection: CloudConnection, options: DialOptions): Promise<Socket> {
  const { signal } = options;
  const target = targetOf(connection, options.endpoint);
  const deadlines = { ...usualDeadlines, ...options.deadlines };
  const isTls = options.endpoint === 'http' || connection.mqtt.isTls;
  const context = isTls ? await secureContextFor(connection, identityFor(connection, options)) : undefined;
  signal?.throwIfAborted();
  const stream = await reach(connection, target, { context, deadlines, signal });
  if (context === undefined) return stream;
  return shakeHands(stream, target, { context, deadlines, signal, alpn: options.alpn ?? [] });
}

/**
 * Opens a connection to a server that nobody verifies, to say more about a fault: only for words, and never for data. It
 * shows nothing of this device. Undefined: there is no TLS server.
 */
export async function openUnverified(
  connection: CloudConnection,
  place: HostAndPort,
  patienceMs: number,
): Promise<TLSSocket | undefined> {
  const deadlines = { connectMs: patienceMs, handshakeMs: patienceMs };
  try {
    const stream = await reach(connection, place, { context: undefined, deadlines, signal: undefined });
    const socket = tlsConnect({ socket: stream, ...serverNameOf(place), rejectUnauthorized: false });
    const secured = eventOf(socket, 'secureConnect', () => new Error('no handshake'));
    await guarded(socket, secured, { deadlineMs: patienceMs, late: new Error('no handshake'), signal: undefined });
    return socket.on('error', ignore);
  } catch {
    // The fault that is being explained is a better one.
    return undefined;
  }
}

/** A REST API asks for a token, and never for the certificate of the device. */
function identityFor(connection: CloudConnection, { endpoint, identity }: DialOptions): IdentityFiles | undefined {
  return identity ?? (endpoint === 'mqtt' ? connection.identity : undefined);
}

function targetOf(connection: CloudConnection, endpoint: DialOptions['endpoint']): HostAndPort {
  if (endpoint === 'mqtt') return connection.mqtt;
  if (connection.http !== undefined) return connection.http;
  throw new Error(`${connection.name} has no REST API to dial`);
}

interface Dialling {
  /** Undefined: no TLS to the cloud. */
  readonly context: SecureContext | undefined;
  readonly deadlines: DialDeadlines;
  readonly signal: AbortSignal | undefined;
}

/** A byte stream to the target: directly, or through the proxy. */
async function reach(connection: CloudConnection, target: HostAndPort, dialling: Dialling): Promise<Socket> {
  const proxy = connection.httpProxy;
  if (proxy === undefined || isReachedDirectly(target.host, proxy.noProxy))
    return connectTcp(target, 'connect', dialling);
  const place = { host: proxy.host, port: proxy.port };
  const tcp = await connectTcp(place, 'proxy', dialling);
  const { connectMs } = dialling.deadlines;
  const socket = proxy.isTls ? await secureProxy(connection, tcp, place, dialling) : tcp;
  const late = new CloudDialError('The proxy did not open the tunnel in time.', {
    stage: 'proxy',
    place,
    isTimeout: true,
  });
  return guarded(socket, openTunnel(socket, proxy, target), { deadlineMs: connectMs, late, signal: dialling.signal });
}

/** The proxy gets no certificate of this device. */
async function secureProxy(
  connection: CloudConnection,
  tcp: Socket,
  place: HostAndPort,
  dialling: Dialling,
): Promise<Socket> {
  const context = await secureContextFor(connection, undefined);
  return shakeHands(tcp, place, { ...dialling, context, alpn: [], stage: 'proxy' });
}

function connectTcp(place: HostAndPort, stage: DialStage, { deadlines, signal }: Dialling): Promise<Socket> {
  const socket = netConnect({ host: place.host, port: place.port, lookup: lookupHost, noDelay: true, keepAlive: true });
  const connected = eventOf(
    socket,
    'connect',
    (cause) => new CloudDialError(`No connection to ${place.host}.`, { stage, place, cause }),
  );
  const late = new CloudDialError(`No connection to ${place.host} in time.`, { stage, place, isTimeout: true });
  return guarded(socket, connected, { deadlineMs: deadlines.connectMs, late, signal });
}

interface Handshake extends Dialling {
  readonly context: SecureContext;
  readonly alpn: readonly string[];
  readonly stage?: DialStage;
}

function shakeHands(stream: Socket, place: HostAndPort, handshake: Handshake): Promise<Socket> {
  const { context, alpn, deadlines, signal, stage = 'handshake' } = handshake;
  const options: ConnectionOptions = {
    socket: stream,
    secureContext: context,
    ...serverNameOf(place),
    rejectUnauthorized: true,
    ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
  };
  const socket = tlsConnect(options);
  const secured = eventOf(
    socket,
    'secureConnect',
    (cause) => new CloudDialError(`No TLS with ${place.host}.`, { stage, place, cause }),
  );
  const late = new CloudDialError(`No TLS with ${place.host} in time.`, { stage, place, isTimeout: true });
  return guarded(socket, secured, { deadlineMs: deadlines.handshakeMs, late, signal });
}

function serverNameOf({ host }: HostAndPort): Pick<ConnectionOptions, 'host' | 'servername'> {
  // RFC 6066 §3: an address is no server name.
  return { host, servername: isIP(host) === 0 ? host : '' };
}

/** Waits for an event of a socket; its error or its end comes first where the event does not. */
function eventOf(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  failure: (cause: unknown) => Error,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void) => {
      socket.off(event, succeed).off('error', fail).off('close', end);
      outcome();
    };
    const succeed = () => settle(() => resolve(socket));
    const fail = (error: Error) => settle(() => reject(failure(error)));
    const end = () => settle(() => reject(failure(Object.assign(new Error('closed'), { code: 'ECONNRESET' }))));
    socket.once(event, succeed).once('error', fail).once('close', end);
  });
}

interface Guard {
  readonly deadlineMs: number;
  readonly late: Error;
  readonly signal: AbortSignal | undefined;
}

/** Waits within the deadline. If the wait fails, the socket is gone, and a late error of it ends nothing. */
async function guarded(socket: Socket, waited: Promise<Socket>, { deadlineMs, late, signal }: Guard): Promise<Socket> {
  try {
    return await within(waited, deadlineMs, { late: () => late, signal });
  } catch (error) {
    socket.on('error', ignore).destroy();
    throw error;
  }
}

function ignore(): void {}
