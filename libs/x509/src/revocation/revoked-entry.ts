import type { SerialNumber } from '@sallyport/protocol';

/** CRLReason (RFC 5280 §5.3.1) by code. 7 is not assigned. 8, removeFromCRL, is only for delta CRLs. */
const reasonByCode = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  undefined,
  undefined,
  'privilegeWithdrawn',
  'aACompromise',
] as const;

/** Why a certificate was revoked. */
export type CrlReason = NonNullable<(typeof reasonByCode)[number]>;

/** All reasons for which we can revoke a certificate. */
export const revocationReasons: readonly CrlReason[] = reasonByCode.filter((reason) => reason !== undefined);

/** The reason for a code; undefined for an unknown code. */
export function revocationReasonOf(code: number): CrlReason | undefined {
  return reasonByCode[code];
}

/** The code of a reason. */
export function revocationCodeOf(reason: CrlReason): number {
  return reasonByCode.indexOf(reason);
}

/** One line of a CRL. */
export interface RevokedEntry {
  readonly serialNumber: SerialNumber;
  readonly revokedAt: Date;
  /** `unspecified` and absent are the same (RFC 5280 §5.3.1). */
  readonly reason?: CrlReason | undefined;
}
