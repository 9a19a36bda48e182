import { Problem } from '@sallyport/protocol';
import { oid } from '../der/oid.js';
import { sequence, setOf } from '../der/writer.js';
import { oids } from '../oids.js';

/** What a server requests for certification requests. */
export interface CsrAttributesOptions {
  /** Curve of the key. */
  readonly curve?: 'P-256' | 'P-384' | undefined;
  /** Hash of the signature over the request. */
  readonly signatureAlgorithm?: 'ecdsa-with-SHA256' | 'ecdsa-with-SHA384' | undefined;
  /** Asks for the channel binding in the challenge password (RFC 7030 §3.5). */
  readonly challengePassword?: boolean | undefined;
  /** Dotted identifiers of extensions to ask for. */
  readonly extensions?: readonly string[] | undefined;
}

const curveOids = { 'P-256': oids.prime256v1, 'P-384': oids.secp384r1 } as const;
const signatureOids = {
  'ecdsa-with-SHA256': oids.ecdsaWithSha256,
  'ecdsa-with-SHA384': oids.ecdsaWithSha384,
} as const;

/**
 * Encodes the answer to EST `csrattrs`. It contains only identifiers, because every client can read this form. An empty
 * SEQUENCE requests nothing.
 *
 * @returns DER of CsrAttrs.
 * @throws Problem `invalid-request`: an extension is not a dotted object identifier.
 * @see RFC 7030 §4.5.2, RFC 8951 §3.3
 */
export function encodeCsrAttributes(options: CsrAttributesOptions): Buffer {
  const { curve, signatureAlgorithm, challengePassword = false, extensions = [] } = options;
  const wanted: Buffer[] = [];
  if (challengePassword) wanted.push(oid(oids.challengePassword));
  if (curve !== undefined) wanted.push(attribute(oids.ecPublicKey, [curveOids[curve]]));
  if (extensions.length > 0) wanted.push(attribute(oids.extensionRequest, extensions.map(requireDotted)));
  if (signatureAlgorithm !== undefined) wanted.push(oid(signatureOids[signatureAlgorithm]));
  return sequence(...wanted);
}

function attribute(type: string, values: readonly string[]): Buffer {
  return sequence(oid(type), setOf(...values.map(oid)));
}

function requireDotted(text: string): string {
  if (/^[0-2](?:\.(?:0|[1-9]\d{0,38}))+$/.test(text)) return text;
  throw new Problem('invalid-request', `"${text}" is not a dotted object identifier.`);
}
