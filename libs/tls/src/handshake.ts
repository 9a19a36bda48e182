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
  /** One more certificate than this is read of a chain, so that a longer one is noticed. */
  readonly chainCertificates: number;
  readonly protocols: readonly string[];
  /** Stands between the TCP connection and TLS, where the client's bytes are to be counted. */
  readonly meter?: MeteredStream | undefined;
}

/**
 * Makes the server side of a TLS connection; the caller's deadline closes `raw`. The socket it gives holds back what
 * the client sends after the handshake until somebody reads it. A failed one is destroyed, after the TLS alert that says
 * why.
 */
export function shakeHands(raw: Socket, options: HandshakeOptions): Promise<HandshakeResult> {
  const { context, clientCertificate, protocols, meter } = options;
  const socket = new TLSSocket(meter ?? raw, {
    isServer: true,
    secureContext: context,
    requestCert: clientCertificate !== 'none',
    // OpenSSL then answers a missing certificate with the alert `certificate_required` (RFC 8446 §4.4.2.4).
    rejectUnauthorized: clientCertificate === 'required',
    ALPNProtocols: [...protocols],
  });
  return new Promise((resolve) => {
    // These events come from inside OpenSSL. To close the TCP connection there would free what OpenSSL still uses
    // and crash the process, so whoever waits goes on when its stack is gone.
    const settle = (result: HandshakeResult) => setImmediate(resolve, result);
    const fail = (reason: RefusalReason, detail: string) => {
      socket.destroy();
      settle({ outcome: 'failed', reason, detail });
    };
    // Stays for the life of the socket: an `error` nobody listens to would end the process.
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
    ...(leaf !== undefined && { leaf: leaf.raw }),
    ...(fault !== undefined && { chainFault: fault }),
  };
}

/** What the client sent after its leaf: Node links each certificate to the next one sent, whoever issued it. */
function presentedWith(leaf: X509Certificate, most: number): Buffer[] {
  const presented: Buffer[] = [];
  let next = leaf.issuerCertificate;
  while (next !== undefined && presented.length < most) {
    presented.push(next.raw);
    next = next.issuerCertificate;
  }
  return presented;
}
