/** One row of the table in docs/reference/coap-device-id.md: what a device shows, and which device it is then. */
export interface DeviceIdRow {
  readonly isCertificateRequired: boolean;
  readonly areIdentityPropertiesRequired?: false;
  readonly isClaimSet: boolean;
  /** In words of the table: a name of a UUID (`A`, `a` is the same in lower case), or a value as it is in the token. */
  readonly claim: 'none' | '""' | '42' | 'text' | 'a' | 'A' | 'b';
  readonly certificate: 'not asked for' | 'no identity' | 'a';
  readonly requested: 'a' | 'A' | 'b' | 'text';
  /** The device, or the answer. */
  readonly outcome: 'a' | 'b' | `4.0${0 | 1} ${string}`;
}

const shown = { isCertificateRequired: true, certificate: 'a' } as const;
const unasked = { isCertificateRequired: false, certificate: 'not asked for' } as const;
const anyCertificate = { isCertificateRequired: true, certificate: 'no identity' } as const;
const missing = "4.01 access token doesn't contain the required device id claim('deviceId')";
const wrongType = "4.01 access token has an invalid type of the device id claim('deviceId')";

/** `a` and `b` are devices; `A` is `a` in upper case. */
export const deviceIdRows: readonly DeviceIdRow[] = [
  { ...unasked, isClaimSet: false, claim: 'none', requested: 'a', outcome: 'a' },
  { ...unasked, isClaimSet: false, claim: 'none', requested: 'A', outcome: 'a' },
  { ...unasked, isClaimSet: false, claim: 'none', requested: 'text', outcome: '4.00 invalid device id' },
  { ...unasked, isClaimSet: false, claim: 'b', requested: 'a', outcome: 'a' },
  { ...unasked, isClaimSet: true, claim: 'a', requested: 'a', outcome: 'a' },
  { ...unasked, isClaimSet: true, claim: 'a', requested: 'b', outcome: 'a' },
  { ...unasked, isClaimSet: true, claim: 'A', requested: 'a', outcome: 'a' },
  { ...unasked, isClaimSet: true, claim: 'none', requested: 'a', outcome: missing },
  { ...unasked, isClaimSet: true, claim: '""', requested: 'a', outcome: missing },
  { ...unasked, isClaimSet: true, claim: '42', requested: 'a', outcome: wrongType },
  {
    ...unasked,
    isClaimSet: true,
    claim: 'text',
    requested: 'a',
    outcome: "4.01 access token issued to the device ('press-7'), which is not a UUID",
  },
  { ...shown, isClaimSet: false, claim: 'none', requested: 'a', outcome: 'a' },
  { ...shown, isClaimSet: false, claim: 'none', requested: 'b', outcome: 'a' },
  { ...shown, isClaimSet: false, claim: 'b', requested: 'b', outcome: 'a' },
  { ...shown, isClaimSet: true, claim: 'a', requested: 'a', outcome: 'a' },
  { ...shown, isClaimSet: true, claim: 'A', requested: 'a', outcome: 'a' },
  { ...shown, isClaimSet: true, claim: 'a', requested: 'b', outcome: 'a' },
  {
    ...shown,
    isClaimSet: true,
    claim: 'b',
    requested: 'b',
    outcome: "4.01 access token issued to the device ('b') used by the different device ('a')",
  },
  { ...shown, isClaimSet: true, claim: 'none', requested: 'a', outcome: missing },
  { ...shown, isClaimSet: true, claim: '""', requested: 'a', outcome: missing },
  { ...shown, isClaimSet: true, claim: '42', requested: 'a', outcome: wrongType },
  {
    ...anyCertificate,
    isClaimSet: false,
    claim: 'none',
    requested: 'a',
    outcome: "4.01 certificate of device doesn't contain device id",
  },
  {
    ...anyCertificate,
    isClaimSet: true,
    claim: 'a',
    requested: 'a',
    outcome: "4.01 certificate of device doesn't contain device id",
  },
  {
    ...anyCertificate,
    areIdentityPropertiesRequired: false,
    isClaimSet: false,
    claim: 'none',
    requested: 'b',
    outcome: 'b',
  },
  {
    ...anyCertificate,
    areIdentityPropertiesRequired: false,
    isClaimSet: true,
    claim: 'a',
    requested: 'b',
    outcome: 'a',
  },
];
