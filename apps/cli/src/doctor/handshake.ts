import { connect, type TLSSocket } from 'node:tls';
import { type EntranceDefinition, lookupHost, Problem } from '@sallyport/protocol';
import { reasonOf } from '@sallyport/runtime';
import { type Certificate, parseCertificate } from '@sallyport/x509';
import { type ClientIdentity, coapGreeting, type Greeting, mqttGreeting } from '../secure/probe.js';

const deadlineMs = 5_000;

/** A listener, and how a client connects to it. */
export interface HandshakeTarget {
  readonly host: string;
  readonly port: number;
  readonly protocol: EntranceDefinition['protocol'];
  /** The only CAs that the client believes. */
  readonly anchors: readonly string[];
  readonly client?: ClientIdentity | undefined;
  readonly signal: AbortSignal;
}

/** What a client of OpenSSL saw. */
export type Handshake =
  | { readonly isDone: false; readonly fault: string; readonly code: string }
  | {
      readonly isDone: true;
      readonly leaf: Certificate;
      /** OpenSSL's name for what is wrong with the chain of the listener, such as `CERT_HAS_EXPIRED`; absent when nothing is. */
      readonly verdict?: string;
      /** Why the listener does not serve the client; absent when it does. */
      readonly refusal?: string;
    };

/**
 * Makes a TLS handshake as an ordinary client does, with the versions, groups and algorithms of OpenSSL's defaults, and
 * greets the service behind it. OpenSSL judges chain, dates and purpose; the names are left to the caller.
 */
export function shakeHands(target: HandshakeTarget): Promise<Handshake> {
  const { host, port, anchors, client, signal } = target;
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port,
      lookup: lookupHost,
      ca: [...anchors],
      // The listener's own intermediates are anchors where nobody knows the root of another CA.
      allowPartialTrustChain: true,
      rejectUnauthorized: false,
      servername: 'localhost',
      checkServerIdentity: () => undefined,
      ...(client === undefined ? {} : { cert: client.certPem, key: client.keyPem }),
    });
    const end = (handshake: Handshake): void => {
      resolve(handshake);
      socket.destroy();
    };
    AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]).addEventListener('abort', () =>
      end({ isDone: false, code: 'ETIMEDOUT', fault: 'no answer in time' }),
    );
    const onError = (fault: Error) => end(failed(fault));
    const onClose = () => end({ isDone: false, code: 'ECONNRESET', fault: 'the connection was closed' });
    socket.on('error', onError);
    socket.on('close', onClose);
    socket.once('secureConnect', () => {
      // From here on, what ends the connection is the answer of the listener to this client.
      socket.off('close', onClose);
      const leaf = leafOf(socket);
      if (leaf === undefined) return end(unreadable);
      const answer = greeted(socket, leaf, greetings[target.protocol]);
      socket.off('error', onError);
      void answer.then(end);
    });
  });
}

function failed(fault: Error): Handshake {
  const code = 'code' in fault ? String(fault.code) : '';
  const reason = 'reason' in fault ? String(fault.reason) : reasonOf(fault);
  return { isDone: false, code, fault: reason };
}

/** OpenSSL takes certificates that are against the rules of X.509. */
const unreadable = { isDone: false, code: 'ERR_CERTIFICATE', fault: 'its certificate cannot be read' } as const;

function leafOf(socket: TLSSocket): Certificate | undefined {
  try {
    return parseCertificate(socket.getPeerCertificate().raw);
  } catch (fault) {
    if (fault instanceof Problem) return undefined;
    throw fault;
  }
}

function greeted(socket: TLSSocket, leaf: Certificate, greeting: Greeting): Promise<Handshake> {
  const { authorizationError } = socket;
  const verdict = socket.authorized ? {} : { verdict: String(authorizationError) };
  return new Promise((resolve) => {
    const end = (refusal?: string): void =>
      resolve({ isDone: true, leaf, ...verdict, ...(refusal === undefined ? {} : { refusal }) });
    socket.once('data', (bytes: Buffer) => end(greeting.fault(bytes)?.message));
    // With TLS 1.3 a server refuses a certificate after the handshake.
    socket.on('error', (fault) => end('reason' in fault ? String(fault.reason) : fault.message));
    socket.once('close', () => end('the connection was closed'));
    socket.write(greeting.first());
  });
}

/** No file has this name; "not found" is a good enough answer. A listener answers 403 or 503 to whom it does not admit. */
const httpGreeting: Greeting = {
  first: () => Buffer.from('GET /sallyport-probe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
  fault: (bytes) => {
    const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(bytes.toString('latin1')) ?? [];
    if (status === undefined) return new Error('the answer is not HTTP');
    return status === '403' || status === '503' ? new Error(`it answered with status ${status}`) : undefined;
  },
};

const greetings = { http: httpGreeting, mqtt: mqttGreeting, coap: coapGreeting } as const;
