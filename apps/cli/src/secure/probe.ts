import { randomBytes } from 'node:crypto';
import { type IncomingMessage, request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { lookupHost } from '@sallyport/protocol';

/** A listener as seen from outside. */
export interface ProbeTarget {
  readonly host: string;
  readonly port: number;
  /** Milliseconds a listener may take to answer; 5 s when absent. */
  readonly deadlineMs?: number | undefined;
}

/** The listener took the connection and did not answer: the client was neither let in nor refused. */
export class Silence extends Error {
  override readonly name = 'Silence';

  constructor() {
    super('no answer in time');
  }
}

/** Which certificate to accept: one for localhost that chains to these roots, or exactly this one. */
export type ServerTrust =
  | { readonly kind: 'roots'; readonly rootsPem: readonly string[] }
  | { readonly kind: 'pinned'; readonly certificatePem: string };

/** A certificate and key to show. */
export interface ClientIdentity {
  readonly certPem: string;
  readonly keyPem: string;
}

/** What to accept from the listener, and what to show to it. */
export interface ProbeCredentials {
  readonly trust: ServerTrust;
  readonly client?: ClientIdentity | undefined;
}

export interface ProbeAnswer {
  readonly status: number;
  readonly location: string | undefined;
}

const usualDeadlineMs = 5_000;
// No file has this name. "Not found" is a good enough answer.
const probePath = '/sallyport-probe';

/** The host to connect to: a listener on every address is reached on this machine. */
export function reachableHost(bindAddress: string): string {
  return bindAddress === '0.0.0.0' || bindAddress === '::' ? 'localhost' : bindAddress;
}

/** One GET over TLS; rejects when the handshake fails, or the connection ends without an answer. */
export function probeHttps(target: ProbeTarget, credentials: ProbeCredentials): Promise<ProbeAnswer> {
  return answerOf(requestTls({ ...tlsOptions(credentials), ...requestOptions(target) }));
}

/** True when a server takes connections there, with any protocol. */
export function takesConnections({ host, port, deadlineMs = usualDeadlineMs }: ProbeTarget): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectPlain({ host, port, lookup: lookupHost, timeout: deadlineMs });
    const end = (isConnected: boolean) => {
      socket.destroy();
      resolve(isConnected);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}

/** One GET without TLS. */
export function probeHttp(target: ProbeTarget): Promise<ProbeAnswer> {
  return answerOf(requestPlain(requestOptions(target)));
}

/** A protocol in which the server answers the first message of a client, and by that accepts it. */
export interface Greeting {
  readonly first: () => Buffer;
  /** What is wrong with the first bytes of the answer; undefined when the server accepts. */
  readonly fault: (bytes: Buffer) => Error | undefined;
}

/** A session over TLS; resolves when the server accepts it. */
export function probeSessionOverTls(
  greeting: Greeting,
  { host, port, deadlineMs }: ProbeTarget,
  credentials: ProbeCredentials,
): Promise<void> {
  const socket = connectTls({ host, port, lookup: lookupHost, ...tlsOptions(credentials) });
  return acceptedSession(greeting, { socket, ready: 'secureConnect', deadlineMs });
}

/** A session without TLS. */
export function probeSession(greeting: Greeting, { host, port, deadlineMs }: ProbeTarget): Promise<void> {
  return acceptedSession(greeting, {
    socket: connectPlain({ host, port, lookup: lookupHost }),
    ready: 'connect',
    deadlineMs,
  });
}

function requestOptions({ host, port, deadlineMs = usualDeadlineMs }: ProbeTarget) {
  const signal = AbortSignal.timeout(deadlineMs);
  return { host, port, lookup: lookupHost, path: probePath, agent: false, signal } as const;
}

function tlsOptions({ trust, client }: ProbeCredentials) {
  return {
    ...serverCheck(trust),
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    // Every certificate of this site is for localhost, whatever address the listener is bound to.
    servername: 'localhost',
    ...(client === undefined ? {} : { cert: client.certPem, key: client.keyPem }),
  } as const;
}

function serverCheck(trust: ServerTrust) {
  if (trust.kind === 'roots') return { ca: [...trust.rootsPem] };
  // The leaf itself is trusted, so its names do not matter.
  return { ca: [trust.certificatePem], allowPartialTrustChain: true, checkServerIdentity: () => undefined };
}

function answerOf(outgoing: ReturnType<typeof requestPlain>): Promise<ProbeAnswer> {
  return new Promise((resolve, reject) => {
    outgoing.once('response', (answer: IncomingMessage) => {
      answer.resume();
      resolve({ status: answer.statusCode ?? 0, location: answer.headers.location });
      outgoing.destroy();
    });
    outgoing.on('error', (error) => reject(isTimeout(error) ? new Silence() : error));
    outgoing.end();
  });
}

function isTimeout({ cause }: Error): boolean {
  return cause instanceof Error && cause.name === 'TimeoutError';
}

interface Connecting {
  readonly socket: Socket | TLSSocket;
  readonly ready: 'connect' | 'secureConnect';
  readonly deadlineMs: number | undefined;
}

function acceptedSession(greeting: Greeting, connecting: Connecting): Promise<void> {
  const { socket, ready, deadlineMs = usualDeadlineMs } = connecting;
  return new Promise((resolve, reject) => {
    const end = (fault?: Error) => {
      socket.destroy();
      if (fault === undefined) resolve();
      else reject(fault);
    };
    socket.setTimeout(deadlineMs, () => end(new Silence()));
    socket.once(ready, () => socket.write(greeting.first()));
    socket.once('data', (bytes: Buffer) => end(greeting.fault(bytes)));
    socket.once('error', end);
    socket.once('close', () => end(new Error('the connection was closed')));
  });
}

/** MQTT 3.1.1 §3.1: CONNECT with a clean session and a client id nobody else has. */
function connectPacket(): Buffer {
  const clientId = `sallyport-probe-${randomBytes(6).toString('hex')}`;
  const body = Buffer.concat([
    Buffer.from('00044d5154540402000a', 'hex'),
    Buffer.from([0, clientId.length]),
    Buffer.from(clientId),
  ]);
  return Buffer.concat([Buffer.from([0x10, body.length]), body]);
}

/** MQTT 3.1.1 §3.2: CONNACK with return code 0 is acceptance. */
function connackFault(bytes: Buffer): Error | undefined {
  if (bytes[0] !== 0x20) return new Error('the answer is not MQTT');
  return bytes[3] === 0 ? undefined : new Error(`the broker refused the session (return code ${bytes[3]})`);
}

export const mqttGreeting: Greeting = { first: connectPacket, fault: connackFault };

// RFC 8323 §3.2 and §5.3: both sides begin with an empty CSM, code 7.01.
const csm = Buffer.from('00e1', 'hex');

export const coapGreeting: Greeting = {
  first: () => csm,
  fault: (bytes) => {
    // RFC 8323 §3.2: a length of 13 and more takes another byte before the code.
    const codeAt = (bytes[0] ?? 0) >> 4 < 13 ? 1 : 2;
    return bytes[codeAt] === 0xe1 ? undefined : new Error('the answer is not CoAP');
  },
};
