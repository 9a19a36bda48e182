import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { codeOrMessage } from '@sallyport/files';
import type { RefusalReason } from '@sallyport/protocol';
import type { HandshakeEvidence } from './judge.js';
import type { MeteredStream } from './metered-stream.js';
import { chainFault } from './openssl.js';
import { reasonForHandshakeError } from './refusal-codes.js';
import type { ClientCertificatePolicy } from './settings.js';

export type HandshakeResult =
  | { readonly outcome: 'finished'; readonly socket: TLSSocket; readonly evidence: HandshakeEvidence }
  | { readonly outcome: 'failed'; readonly reason: RefusalReason; readonly detail: string };

export interface HandshakeOptions {
  readonly context: SecureContext;
  readonly clientCertificate: ClientCertificatePolicy;
  /** At most this many certificates after the leaf are read. That is one too many, so a long chain is noticed. */
  readonly chainCertificates: number;
  readonly protocols: readonly string[];
  /** Sits between TCP and TLS where the client's bytes are to be counted. */
  readonly meter?: MeteredStream | undefined;
}

/**
 * Does the server side of a TLS handshake. The deadline is the caller's: it closes `raw`. The resulting socket buffers
 * what the client sends after the handshake until it is read. When the handshake fails, the client gets the TLS alert
 * and the socket is destroyed.
 */
export function shakeHands(raw: Socket, options: HandshakeOptions): Promise<HandshakeResult> {
  const { context, clientCertificate, protocols, meter } = options;
  const socket = new TLSSocket(meter ?? raw, {
    isServer: true,
    secureContext: context,
    requestCert: clientCertificate !== 'none',
    // Then OpenSSL answers a missing certificate with the alert `certificate_required` (RFC 8446 §4.4.2.4).
    rejectUnauthorized: clientCertificate === 'required',
    ALPNProtocols: [...protocols],
  });
  return new Promise((resolve) => {
    // These events are emitted from inside OpenSSL. Closing the TCP connection there would free memory that OpenSSL
    // still uses, and crash the process. So the caller continues in setImmediate.
    const settle = (result: HandshakeResult) => setImmediate(resolve, result);
    const fail = (reason: RefusalReason, detail: string) => {
      socket.destroy();
      settle({ outcome: 'failed', reason, detail });
    };
    // Stays for the life of the socket: an `error` event without a listener ends the process.
    socket.on('error', (error) => fail(reasonForHandshakeError(codeOrMessage(error)), codeOrMessage(error)));
    socket.once('close', () => fail('handshake-failed', 'the connection was closed'));
    socket.once('secure', () => {
      meter?.stopWatching();
      settle({ outcome: 'finished', socket, evidence: evidenceOf(socket, options.chainCertificates) });
    });
  });
}

function evidenceOf(socket: TLSSocket, chainCertificates: number): HandshakeEvidence {
  const leaf = socket.getPeerX509Certificate();
  const fault = leaf === undefined ? undefined : chainFault(socket);
  return {
    isResumed: socket.isSessionReused(),
    presented: leaf === undefined ? [] : presentedWith(leaf, chainCertificates),
    ...(leaf === undefined ? {} : { leaf: leaf.raw }),
    ...(fault === undefined ? {} : { chainFault: fault }),
    ...serverNameOf(socket),
  };
}

/** Node has an empty value of several kinds for a client that names no host. */
function serverNameOf({ servername }: TLSSocket): Pick<HandshakeEvidence, 'serverName'> {
  return typeof servername === 'string' && servername !== '' ? { serverName: servername.toLowerCase() } : {};
}

/**
 * What the client sent after its leaf. Node links each certificate to the next one sent, also if it did not issue it.
 */
function presentedWith(leaf: X509Certificate, most: number): Buffer[] {
  const presented: Buffer[] = [];
  let next = leaf.issuerCertificate;
  while (next !== undefined && presented.length < most) {
    presented.push(next.raw);
    next = next.issuerCertificate;
  }
  return presented;
}
