import { constants } from 'node:crypto';
import type { SecureContext, SecureContextOptions, TLSSocket } from 'node:tls';

/*
 * Two functions of OpenSSL that we need and that Node has, but not in its public API. Each is looked up at run time.
 * When a future Node lacks it, we take the safe answer, and a test fails.
 */

/** Why OpenSSL does not accept a chain: Node's code (`CERT_HAS_EXPIRED`), and OpenSSL's sentence. */
export interface ChainFault {
  readonly code: string;
  readonly message: string;
}

const unknownFault: ChainFault = { code: 'UNSPECIFIED', message: 'this Node.js does not tell what OpenSSL decided' };

/**
 * Why OpenSSL refuses the chain of a finished handshake. Undefined when it accepts it, or no certificate was sent.
 *
 * We need a TLS alert for a missing certificate, and we need to read a refused certificate. `tls.Server` gives only one
 * of them: `rejectUnauthorized: false` sends no alert, and `true` hides the certificate. So we create the server side
 * of each socket ourselves, as `tls.Server` does, and ask its handle the same question.
 */
export function chainFault(socket: TLSSocket): ChainFault | undefined {
  const handle: unknown = Reflect.get(socket, 'ssl');
  if (typeof handle !== 'object' || handle === null) return unknownFault;
  const ask: unknown = Reflect.get(handle, 'verifyError');
  if (typeof ask !== 'function') return unknownFault;
  const fault: unknown = Reflect.apply(ask, handle, []);
  if (fault === null || fault === undefined) return undefined;
  if (typeof fault !== 'object') return unknownFault;
  return { code: String(Reflect.get(fault, 'code')), message: String(Reflect.get(fault, 'message')) };
}

/**
 * Adds one CA to a context that is not in use yet. So thousands can be added without blocking the event loop.
 *
 * @returns false when this Node cannot do it. The caller then has to give every CA to `createSecureContext`.
 */
export function addTrustedCa(context: SecureContext, pem: string): boolean {
  const native: unknown = context.context;
  if (typeof native !== 'object' || native === null) return false;
  const add: unknown = Reflect.get(native, 'addCACert');
  if (typeof add !== 'function') return false;
  Reflect.apply(add, native, [pem]);
  return true;
}

/**
 * SSL_OP_DISABLE_TLSEXT_CA_NAMES, which `crypto.constants` lacks: do not list the subjects of the trusted CAs in the
 * handshake.
 */
const leaveOutCaNames = 0x200;

/** The list may have 65,535 bytes (RFC 8446 §4.2.4). With one byte more, OpenSSL fails every handshake. */
const mostCaNameBytes = 60_000;

/** Whether these subjects fit into a handshake. Each takes two more bytes for its length. */
export function fitIntoHandshake(subjects: readonly Buffer[]): boolean {
  return subjects.reduce((sum, subject) => sum + subject.length + 2, 0) <= mostCaNameBytes;
}

/**
 * Options of every context.
 *
 * SSL_OP_NO_TICKET: a resumed session is `authorized` without a certificate, also after its CA was removed. So nothing
 * may be resumed. SSL_OP_NO_RENEGOTIATION: otherwise a TLS 1.2 client could start handshake after handshake at no cost.
 *
 * When the CA names do not fit, none is sent. The list is then empty. TLS 1.2 allows that (RFC 5246 §7.4.4), TLS 1.3
 * does not: rustls and Go refuse it. So such a listener speaks TLS 1.2 only.
 */
export function protocolOptions(doCaNamesFit: boolean): Pick<SecureContextOptions, 'secureOptions' | 'maxVersion'> {
  const always =
    constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE;
  return doCaNamesFit ? { secureOptions: always } : { secureOptions: always | leaveOutCaNames, maxVersion: 'TLSv1.2' };
}
