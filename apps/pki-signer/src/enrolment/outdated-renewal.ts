import { type DeviceId, localIdentityName, Problem } from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import { hasBegun, hasEnded } from '@sallyport/x509';
import type { CertificateRecord } from '../inventory/certificate-record.js';
import type { Inventory } from '../inventory/inventory.js';

export interface OutdatedRenewalOptions {
  readonly inventory: Inventory;
  readonly clock: Clock;
  /** How long after its end a device may still renew, seconds; 0: never. */
  readonly graceSeconds: number;
}

/** Why a certificate is outside of its validity. */
export type Outdated = 'ended' | 'not-yet-valid';

/** Which side of its validity a certificate is on; undefined within it. */
export function outdatedAt(record: Pick<CertificateRecord, 'notBefore' | 'notAfter'>, now: Date): Outdated | undefined {
  if (hasEnded(record, now)) return 'ended';
  return hasBegun(record, now) ? undefined : 'not-yet-valid';
}

/**
 * Decides which certificates may be renewed although they have ended, or are not valid yet. The inventory knows each of
 * them, and the caller has proved that it holds the key.
 *
 * A service of this site was switched off for too long: nobody is there to enrol it again, so it may come back at any
 * time. So may the operator of the site's machine, whose key lies beside those of the services. A device may come back
 * within a grace. One that is not valid yet was issued while the clock of the signer was ahead, or the clock is behind
 * now: that is not the fault of its holder.
 */
export class OutdatedRenewal {
  constructor(private readonly options: OutdatedRenewalOptions) {}

  /** @throws Problem `forbidden`: it may not, and what to do instead */
  async require(record: CertificateRecord, outdated: Outdated): Promise<void> {
    if (outdated === 'ended') this.requireGrace(record);
    if (await this.isSuperseded(record))
      throw new Problem(
        'forbidden',
        `The certificate ${textOf(record, outdated)}, and "${record.deviceId}" has got a newer one since. Use the newer one, ${wayBackOf(record)}`,
      );
  }

  private requireGrace(record: CertificateRecord): void {
    const { clock, graceSeconds } = this.options;
    if (record.profile === 'service' || isOfThisMachine(record)) return;
    const endedForMs = clock.now().getTime() - Date.parse(record.notAfter);
    if (record.profile === 'device' && endedForMs <= graceSeconds * 1000) return;
    throw new Problem('forbidden', `The certificate ${textOf(record, 'ended')}. To come back, ${wayBackOf(record)}`);
  }

  /**
   * Whether another certificate of the name has taken its place. Its own renewals do not count until one of them was
   * renewed itself: the answer with it may have been lost on the way.
   */
  private async isSuperseded(record: CertificateRecord): Promise<boolean> {
    const known = await this.options.inventory.allOf(record.deviceId);
    const others = known.filter(({ fingerprint, profile }) => {
      return profile === record.profile && fingerprint !== record.fingerprint;
    });
    const renewals = others.filter(({ renews }) => renews === record.fingerprint);
    const renewed = new Set(renewals.map(({ fingerprint }) => fingerprint));
    if (renewals.some(({ revocation }) => revocation !== undefined)) return true;
    return others.some(
      ({ renews, issuedAt, fingerprint }) =>
        !renewed.has(fingerprint) && (issuedAt > record.issuedAt || (renews !== undefined && renewed.has(renews))),
    );
  }
}

/** The operator of the machine of the site, for whom the services of that machine keep a certificate. */
function isOfThisMachine({ deviceId, profile }: CertificateRecord): boolean {
  return profile === 'admin' && deviceId === localIdentityName.enum.operator;
}

function textOf({ notBefore, notAfter }: CertificateRecord, outdated: Outdated): string {
  return outdated === 'ended' ? `ended ${notAfter}` : `is not valid before ${notBefore}`;
}

function wayBackOf({ deviceId, profile }: CertificateRecord): string {
  return profile === 'device' ? enrolAgain(deviceId) : 'enrol again with a new one-time token.';
}

function enrolAgain(name: DeviceId): string {
  return `get a new one-time token on the site (sallyport device enroll-token ${name}) and enrol again with it.`;
}
