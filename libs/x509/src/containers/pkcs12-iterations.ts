import { Problem } from '@sallyport/protocol';
import forge from 'node-forge';
import { oids } from '../oids.js';

declare module 'node-forge' {
  namespace asn1 {
    /** The typings know only `strict`, but we need the options, which limit the parser. */
    function fromDer(bytes: Bytes, options: ParseOptions): Asn1;

    interface ParseOptions {
      readonly strict: boolean;
      readonly parseAllBytes: boolean;
      readonly decodeBitStrings: boolean;
      readonly maxDepth: number;
    }
  }

  namespace pki.pbe {
    function getCipher(algorithm: string, parameters: asn1.Asn1, password: string): cipher.BlockCipher;
  }
}

/** Java uses 10,000. A million takes seconds here, and the author of the file may write any number. */
const maximumIterations = 1_000_000;

/** Schemes of RFC 7292 §C. Their parameters are salt and count; those of PBKDF2 begin with the same two. */
const pkcs12Schemes = '1.2.840.113549.1.12.1.';

/** Parses ASN.1 within limits. Bit strings stay bytes, because decoding would parse an ECDSA signature. */
export function readAsn1(bytes: string): forge.asn1.Asn1 {
  return forge.asn1.fromDer(bytes, { strict: true, parseAllBytes: true, decodeBitStrings: false, maxDepth: 32 });
}

/**
 * Refuses a PFX with too many iterations: for its MAC, for the encryption of its contents, or for the encryption of the
 * keys inside. To see the latter, it decrypts the contents. It checks each count before it derives a key with it.
 *
 * @throws Problem `invalid-request`: too many iterations, or no MAC. The MAC proves the password before we use anything.
 */
export function requireBoundedIterations(pfx: forge.asn1.Asn1, password: string): void {
  const [, authenticatedSafe, macData] = childrenOf(pfx);
  if (macData === undefined)
    throw new Problem('invalid-request', 'The PKCS #12 file has no MAC. Export it again without -nomac.');
  requireCount(childrenOf(macData)[2]);
  for (const safe of contentsOf(authenticatedSafe, password))
    for (const contentInfo of childrenOf(safe)) {
      requireCountsIn(contentInfo);
      for (const contents of contentsOf(contentInfo, password)) requireCountsIn(contents);
    }
}

function requireCountsIn(node: forge.asn1.Asn1): void {
  const [identifier, parameters] = childrenOf(node);
  const scheme = dotted(identifier);
  if (scheme === oids.pbkdf2 || scheme?.startsWith(pkcs12Schemes)) requireCount(childrenOf(parameters)[1]);
  for (const child of childrenOf(node)) requireCountsIn(child);
}

function requireCount(iterations: forge.asn1.Asn1 | undefined): void {
  const octets = iterations?.value;
  const count = typeof octets === 'string' ? Number.parseInt(forge.util.bytesToHex(octets), 16) : 1;
  if (count > maximumIterations)
    throw new Problem(
      'invalid-request',
      `The PKCS #12 file asks for ${count} iterations, the limit is ${maximumIterations}.`,
    );
}

/** The content of a ContentInfo of type data or encryptedData; undefined when the password does not decrypt it. */
function contentsOf(contentInfo: forge.asn1.Asn1 | undefined, password: string): forge.asn1.Asn1[] {
  const [type, wrapper] = childrenOf(contentInfo);
  const [content] = childrenOf(wrapper);
  const isEncrypted = dotted(type) === oids.pkcs7EncryptedData;
  const bytes = isEncrypted ? decrypted(childrenOf(content)[1], password) : content?.value;
  if (typeof bytes !== 'string') return [];
  try {
    return [readAsn1(bytes)];
  } catch {
    // With a wrong password the padding can be valid by chance. The MAC then shows that the password is wrong.
    return [];
  }
}

function decrypted(encryptedContentInfo: forge.asn1.Asn1 | undefined, password: string): string | undefined {
  const [, algorithm, ciphertext] = childrenOf(encryptedContentInfo);
  const [identifier, parameters] = childrenOf(algorithm);
  const scheme = dotted(identifier);
  if (scheme === undefined || parameters === undefined || typeof ciphertext?.value !== 'string') return undefined;
  const cipher = forge.pki.pbe.getCipher(scheme, parameters, password);
  cipher.update(forge.util.createBuffer(ciphertext.value));
  return cipher.finish() ? cipher.output.getBytes() : undefined;
}

function dotted(node: forge.asn1.Asn1 | undefined): string | undefined {
  const isIdentifier = node?.type === forge.asn1.Type.OID && typeof node.value === 'string';
  return isIdentifier && typeof node.value === 'string' ? forge.asn1.derToOid(node.value) : undefined;
}

function childrenOf(node: forge.asn1.Asn1 | undefined): readonly forge.asn1.Asn1[] {
  return Array.isArray(node?.value) ? node.value : [];
}
