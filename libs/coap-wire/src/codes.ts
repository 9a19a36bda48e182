/** Request methods (RFC 7252 §12.1.1). The value is the code byte. */
export const methods = { GET: 0x01, POST: 0x02, PUT: 0x03, DELETE: 0x04 } as const;
export type Method = keyof typeof methods;

/** Response codes (RFC 7252 §12.1.2, RFC 7959 §2.9, RFC 8516) by the name people write: `4.01`. */
export const responseCodes = {
  '2.01': 0x41,
  '2.02': 0x42,
  '2.03': 0x43,
  '2.04': 0x44,
  '2.05': 0x45,
  '2.31': 0x5f,
  '4.00': 0x80,
  '4.01': 0x81,
  '4.02': 0x82,
  '4.03': 0x83,
  '4.04': 0x84,
  '4.05': 0x85,
  '4.06': 0x86,
  '4.08': 0x88,
  '4.09': 0x89,
  '4.12': 0x8c,
  '4.13': 0x8d,
  '4.15': 0x8f,
  '4.29': 0x9d,
  '5.00': 0xa0,
  '5.01': 0xa1,
  '5.02': 0xa2,
  '5.03': 0xa3,
  '5.04': 0xa4,
  '5.05': 0xa5,
} as const;
export type ResponseCode = keyof typeof responseCodes;

/** Signaling codes (RFC 8323 §5). */
export const signalCodes = { csm: 0xe1, ping: 0xe2, pong: 0xe3, release: 0xe4, abort: 0xe5 } as const;

/** The name of a code byte, as people write it: `4.01`. */
export function codeName(code: number): string {
  return `${code >> 5}.${String(code & 0x1f).padStart(2, '0')}`;
}

/** Content formats that Sallyport uses (RFC 7252 §12.3, RFC 8710, RFC 9148 §9.1, OCF). */
export const contentFormats = {
  text: 0,
  linkFormat: 40,
  octets: 42,
  json: 50,
  cbor: 60,
  /** RFC 9148: PKCS#7 with certificates only. */
  certsOnly: 281,
  csrAttributes: 285,
  pkcs10: 286,
  pkixCertificate: 287,
  ocfCbor: 10_000,
} as const;
