import { constants } from 'node:crypto';
import type { SecureContext, SecureContextOptions, TLSSocket } from 'node:tls';

/*
 * The two things this product needs from OpenSSL that Node has inside but does not offer by a public name. Each is
 * looked up at run time; where a future Node lacks it, the answer here is the safe one, and a test fails.
 */

/** Why OpenSSL does not accept a chain: Node's code (`CERT_HAS_EXPIRED`), and OpenSSL's sentence. */
export interface ChainFault {
  readonly code: string;
  readonly message: string;
}

const unknownFault: ChainFault = { code: 'UNSPECIFIED', message: 'this Node.js does not tell what OpenSSL decided' };

/**
 * OpenSSL's verdict over the chain of a finished handshake; undefined: accepted, or no certificate was sent.
 *
 * `tls.Server` would tell it too, but only together with the choice between no TLS alert for a missing certificate
 * (`rejectUnauthorized: false`) and no look at the certificate it refused (`true`). We want both, so we make the
 * server side of each socket ourselves, as that server does, and ask its handle the same question.
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
 * Adds one CA to a context in use by nobody yet, so that thousands can be added in short stretches.
 *
 * @returns false where Node has no such way; the caller then has to give every CA to `createSecureContext`.
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

/** The list is limited to 65,535 bytes (RFC 8446 §4.2.4); with one byte more OpenSSL fails every handshake. */
const mostCaNameBytes = 60_000;

/** Whether a handshake can list these subjects; each stands there with a length of two bytes. */
export function fitIntoHandshake(subjects: readonly Buffer[]): boolean {
  return subjects.reduce((sum, subject) => sum + subject.length + 2, 0) <= mostCaNameBytes;
}

/**
 * Options of every context.
 *
 * SSL_OP_NO_TICKET: a resumed session is `authorized` without a certificate, and survives the removal of its CA, so
 * nothing may be resumed. SSL_OP_NO_RENEGOTIATION: TLS 1.2 clients could otherwise make us handshake again for free.
 *
 * CA names that do not fit are left out. OpenSSL then sends an empty list, which TLS 1.2 allows (RFC 5246 §7.4.4) and
 * TLS 1.3 does not: rustls and Go refuse it. So such a listener speaks TLS 1.2 only.
 */
export function protocolOptions(doCaNamesFit: boolean): Pick<SecureContextOptions, 'secureOptions' | 'maxVersion'> {
  const always =
    constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE;
  return doCaNamesFit ? { secureOptions: always } : { secureOptions: always | leaveOutCaNames, maxVersion: 'TLSv1.2' };
}
