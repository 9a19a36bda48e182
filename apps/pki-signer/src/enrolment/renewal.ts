import { hash } from 'node:crypto';
import {
  type DeviceId,
  type EnrolmentQuestion,
  type Fingerprint,
  fingerprint,
  type LeafProfile,
  Problem,
} from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import type { Store } from '@sallyport/store';
import { networkOf } from '@sallyport/tls';
import { type Certificate, parseCertificate } from '@sallyport/x509';
import type { Adoption } from '../inventory/adoption.js';
import type { CertificateRecord } from '../inventory/certificate-record.js';
import type { Inventory, StoredCertificate } from '../inventory/inventory.js';
import type { ServiceLocks } from '../inventory/service-locks.js';
import type { IssueOrder, LeafProfileName } from '../issuance/certificate-issuer.js';
import { type IncomingRequest, readRequest } from '../issuance/incoming-request.js';
import type { Issuance, Requester } from '../issuance/issuance.js';
import type { RegistryGate } from '../issuance/registry-gate.js';
import { asksForSameNames } from '../issuance/requested-names.js';
import type { CallerLimits } from './caller-limits.js';
import { type Outdated, type OutdatedRenewal, outdatedAt } from './outdated-renewal.js';

/** The request of a client that has proved, in its TLS handshake, that it holds the key of the certificate. */
export interface RenewalRequest {
  /** Fingerprint of the client certificate of the connection. */
  readonly fingerprint: Fingerprint;
  /** That certificate, if it is within its validity. So the signer can recognise it when it does not know it any more. */
  readonly certificate?: Certificate;
  readonly deviceId: DeviceId;
  /** PKCS#10, DER. */
  readonly csr: Buffer;
  /** Values of the connection, base64. Only called when the CSR has a challenge password. */
  readonly channelBindings: () => readonly string[];
  readonly remoteAddress: string;
  /** The certificate must be of this profile; any profile when absent. */
  readonly profile?: LeafProfile;
}

export interface RenewalOptions {
  readonly issuance: Issuance;
  readonly inventory: Inventory;
  readonly store: Store;
  readonly clock: Clock;
  readonly limits: CallerLimits;
  readonly outdated: OutdatedRenewal;
  readonly serviceLocks: ServiceLocks;
  readonly registry: RegistryGate;
  readonly adoption: Adoption;
}

/** A caller with a certificate that may be renewed. */
interface CertificateHolder extends Requester {
  readonly stored: StoredCertificate;
  /** Set when the certificate has ended or is not valid yet. */
  readonly outdated: Outdated | undefined;
}

const replayWindowSeconds = 10 * 60;

/** Renews a certificate with itself as the credential (RFC 7030 §4.2.2). The old one stays good until it expires. */
export class Renewal {
  constructor(private readonly options: RenewalOptions) {}

  /**
   * Issues a certificate of the same names and profile; the key may be a new one. The same request again, within ten
   * minutes, gets the same certificate again.
   *
   * @throws Problem `forbidden`: the certificate is revoked or not of this signer, it has ended and may not be renewed any
   * more, or its device may not have another
   * @throws Problem `csr-rejected`, `csr-forbidden`: the request asks for other names, or breaks the profile
   * @throws Problem `rate-limited`, `unavailable`, `signing-key-unavailable`: try again later
   */
  renew(request: RenewalRequest): Promise<CertificateRecord> {
    const { issuance, limits } = this.options;
    const { csr, channelBindings, deviceId: subject, remoteAddress } = request;
    return issuance.issue({
      csr,
      channelBindings,
      queueKey: `renewal ${request.fingerprint}`,
      limit: () => {
        limits.byAddress.admit(networkOf(remoteAddress));
        limits.byName.admit(subject);
      },
      // The TLS handshake has proved that the caller holds the key of the certificate.
      authenticate: async () => ({ actor: `device:${subject}@${remoteAddress}`, subject }),
      authorize: (caller) => this.holderOf(caller, request),
      findEarlier: () => this.issuedFor(request),
      requireAllowed: (holder, question) => this.requireAllowed(holder, question),
      orderFor: (holder, incoming) => this.orderFor(holder, incoming),
    });
  }

  private async holderOf(caller: Requester, request: RenewalRequest): Promise<CertificateHolder> {
    const stored = await this.unrevoked(request.fingerprint, request.deviceId, request.certificate);
    const { profile } = stored.record;
    if (request.profile !== undefined && request.profile !== profile)
      throw new Problem('forbidden', `The certificate is of profile "${profile}".`);
    const outdated = outdatedAt(stored.record, this.options.clock.now());
    if (outdated !== undefined) await this.options.outdated.require(stored.record, outdated);
    return { actor: caller.actor, subject: caller.subject, stored, outdated };
  }

  /**
   * A service whose certificate has ended may be what the registry waits for, such as the registry itself: it cannot
   * reach the broker. So when the registry does not answer, what it announced earlier decides.
   */
  private async requireAllowed({ outdated, stored }: CertificateHolder, question: EnrolmentQuestion): Promise<void> {
    const { registry, serviceLocks } = this.options;
    try {
      await registry.require(question);
    } catch (error) {
      const isSilent = error instanceof Problem && error.type === 'unavailable';
      if (!isSilent || outdated === undefined || stored.record.profile !== 'service') throw error;
      await serviceLocks.requireUnlocked(question.deviceId);
    }
  }

  private async issuedFor({ fingerprint: renewed, deviceId, csr, channelBindings }: RenewalRequest) {
    const issued = await this.options.store.get(replayKey(renewed, hash('sha256', csr)));
    if (issued === undefined) return undefined;
    // When the CSR has a channel binding, a repeated request must match this connection too.
    readRequest(csr, channelBindings);
    return (await this.unrevoked(fingerprint.parse(issued.value), deviceId)).record;
  }

  private async unrevoked(
    presented: Fingerprint,
    deviceId: DeviceId,
    certificate?: Certificate,
  ): Promise<StoredCertificate> {
    const { inventory, adoption } = this.options;
    const known = await inventory.lookUp(presented, deviceId);
    const stored = known ?? (certificate && (await adoption.adopt(certificate, deviceId, `device:${deviceId}`)));
    if (stored === undefined)
      throw new Problem('forbidden', 'This signer did not issue the certificate. Enrol with a one-time token.');
    if (stored.record.revocation === undefined) return stored;
    throw new Problem('forbidden', 'The certificate has been revoked. Enrol again with a new one-time token.');
  }

  private orderFor({ actor, stored, outdated }: CertificateHolder, { csr, digest }: IncomingRequest): IssueOrder {
    const { record: renewed } = stored;
    const certificate = parseCertificate(Buffer.from(renewed.certificate, 'base64'));
    if (!asksForSameNames(csr, certificate, renewed.requested))
      throw new Problem(
        'csr-forbidden',
        'Subject and alternative names of the CSR differ from those of the certificate it renews. Send the same names, or enrol again with a one-time token.',
      );
    return {
      csr,
      name: renewed.deviceId,
      profile: profileNamed(renewed.profile),
      provisioner: 'renewal',
      actor,
      permittedHosts: certificate.subjectAltNames.map(({ value }) => value),
      subjectAltNames: certificate.subjectAltNames,
      requested: renewed.requested,
      reinstate: false,
      renews: renewed.fingerprint,
      ...(outdated === 'ended' ? { afterEnd: renewed.notAfter } : {}),
      // The clock may be behind for a while only. A shorter certificate would have ended when it is right again.
      ...(outdated === 'not-yet-valid' ? { lastsUntil: new Date(renewed.notAfter) } : {}),
      consume: (issued) => ({
        // If the old certificate is revoked meanwhile, nothing is stored.
        compares: [
          { key: replayKey(renewed.fingerprint, digest), revision: 0 },
          this.options.inventory.unchanged(stored),
        ],
        operations: [{ put: replayKey(renewed.fingerprint, digest), value: issued, ttlSeconds: replayWindowSeconds }],
      }),
    };
  }
}

function profileNamed(name: string): LeafProfileName {
  if (name === 'device' || name === 'service' || name === 'admin') return name;
  throw new Problem('forbidden', `Certificates of profile "${name}" are not renewed over EST.`);
}

function replayKey(renewed: Fingerprint, csrDigest: string): string {
  return `renewal/${renewed}/${csrDigest}`;
}
