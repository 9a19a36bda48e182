/**
 * The certificate in a `TRUSTED CERTIFICATE` of OpenSSL (x509_aux in its sources): the certificate, then a SEQUENCE with
 * the purposes it is trusted for, those it is not trusted for ([0]), and names.
 *
 * @returns undefined if there are such purposes: without them it would be trusted for more than its owner wants. Also if
 *   the contents are damaged.
 */
export function plainCertificate(der: Buffer): Buffer | undefined {
  const end = endOfSequence(der);
  if (end === undefined) return undefined;
  const rules = der.subarray(end);
  if (rules.length === 0) return der;
  const rulesFrom = contentOfSequence(rules);
  const first = rulesFrom === undefined ? undefined : rules[rulesFrom];
  // 0x30: trusted purposes. 0xa0: rejected ones. 0x0c: only a name for people follows.
  const hasNone = rulesFrom !== undefined && (first === undefined || first === 0x0c);
  return hasNone ? der.subarray(0, end) : undefined;
}

function endOfSequence(der: Buffer): number | undefined {
  const from = contentOfSequence(der);
  if (from === undefined) return undefined;
  const bytes = from - 2;
  const length = bytes === 0 ? (der[1] ?? 0) : der.readUIntBE(2, bytes);
  return from + length <= der.length ? from + length : undefined;
}

/** Where the content begins; undefined if it is no SEQUENCE with a definite length below 16 MiB. */
function contentOfSequence(der: Buffer): number | undefined {
  const length = der[1] ?? 0xff;
  if (der[0] !== 0x30) return undefined;
  if (length < 0x80) return 2;
  const bytes = length & 0x7f;
  return bytes >= 1 && bytes <= 3 && der.length >= 2 + bytes ? 2 + bytes : undefined;
}
