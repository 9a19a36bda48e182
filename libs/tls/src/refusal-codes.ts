import type { RefusalReason } from '@sallyport/protocol';
import type { ChainFault } from './openssl.js';

/**
 * The refusal for each error of OpenSSL, by Node's name for it. When OpenSSL only says that some certificate of the
 * chain is at fault, `judge` finds out which.
 *
 * @see X509_STORE_CTX_get_error(3)
 */
const reasonByVerdict: ReadonlyMap<string, RefusalReason> = new Map([
  ['UNABLE_TO_GET_ISSUER_CERT', 'chain-incomplete'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'issuer-unknown'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'issuer-unknown'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'issuer-unknown'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'issuer-unknown'],
  ['CERT_UNTRUSTED', 'issuer-unknown'],
  ['CERT_NOT_YET_VALID', 'certificate-not-yet-valid'],
  ['CERT_HAS_EXPIRED', 'certificate-expired'],
  ['CERT_CHAIN_TOO_LONG', 'chain-too-long'],
  ['CERT_REVOKED', 'certificate-revoked'],
  ['INVALID_PURPOSE', 'wrong-purpose'],
  ['INVALID_CA', 'issuer-unfit'],
]);

/** For what Node calls UNSPECIFIED: by OpenSSL's sentence. */
const reasonBySentence: readonly (readonly [RegExp, RefusalReason])[] = [
  [/^CA certificate key too (?:weak|small)/i, 'issuer-weak'],
  [/key too (?:weak|small)/i, 'weak-key'],
  [/digest algorithm too weak|md too weak/i, 'weak-signature'],
  [/subtree violation/i, 'name-constrained'],
  [/does not include certificate signing/i, 'issuer-unfit'],
];

/** The refusal for an error of OpenSSL about a chain. Unknown errors are `chain-invalid`. */
export function reasonForChainFault({ code, message }: ChainFault): RefusalReason {
  return (
    reasonByVerdict.get(code) ?? reasonBySentence.find(([pattern]) => pattern.test(message))?.[1] ?? 'chain-invalid'
  );
}

const reasonByHandshakeError: ReadonlyMap<string, RefusalReason> = new Map([
  ['ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE', 'no-certificate'],
  // OpenSSL reads at most 100 KiB of certificates.
  ['ERR_SSL_EXCESSIVE_MESSAGE_SIZE', 'chain-too-long'],
]);

/** The refusal for an error during the handshake, by Node's code for it. */
export function reasonForHandshakeError(code: string): RefusalReason {
  return reasonByHandshakeError.get(code) ?? 'handshake-failed';
}
