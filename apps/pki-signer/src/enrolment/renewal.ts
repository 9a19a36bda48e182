import { hash } from 'node:crypto';
import { type DeviceId, type Fingerprint, fingerprint, type LeafProfile, Problem } from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import type { Store } from '@sallyport/store';
import { networkOf } from '@sallyport/tls';
import { hasEnded, parseCertificate } from '@sallyport/x509';
import type { CertificateRecord } from '../inventory/certificate-record.js';
import type { Inventory, StoredCertificate } from '../inventory/inventory.js';
import type { IssueOrder, LeafProfileName } from '../issuance/certificate-issuer.js';
import { type IncomingRequest, readRequest } from '../issuance/incoming-request.js';
import type { Issuance, Requester } from '../issuance/issuance.js';
import { asksForSameNames } from '../issuance/requested-names.js';
import type { CallerLimits } from './caller-limits.js';

/** The request of a client that has proved, in its TLS handshake, that it holds the key of the certificate. */
export interface RenewalRequest {
  /** Fingerprint of the client certificate of the connection. */
  readonly fingerprint: Fingerprint;
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
}

/** A caller with a certificate that is neither revoked nor expired. */
interface CertificateHolder extends Requester {
  readonly stored: StoredCertificate;
}

const replayWindowSeconds = 10 * 60;

/** Renews a certificate with itself as the credential (RFC 7030 §4.2.2). The old one stays good until it expires. */
export class Renewal {
  constructor(private readonly options: RenewalOptions) {}

  /**
   * Issues a certificate of the same names and profile; the key may be a new one. The same request again, within ten
   * minutes, gets the same certificate again.
   *
   * @throws Problem `forbidden`: the certificate is revoked, expired or not of this signer, or its device may not have
   * another
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
      orderFor: (holder, incoming) => this.orderFor(holder, incoming),
    });
  }

  private async holderOf(caller: Requester, request: RenewalRequest): Promise<CertificateHolder> {
    const stored = await this.inForce(request.fingerprint);
    const { profile } = stored.record;
    if (request.profile !== undefined && request.profile !== profile)
      throw new Problem('forbidden', `The certificate is of profile "${profile}".`);
    return { actor: caller.actor, subject: caller.subject, stored };
  }

  private async issuedFor({ fingerprint: renewed, csr, channelBindings }: RenewalRequest) {
    const issued = await this.options.store.get(replayKey(renewed, hash('sha256', csr)));
    if (issued === undefined) return undefined;
    // When the CSR has a channel binding, a repeated request must match this connection too.
    readRequest(csr, channelBindings);
    return (await this.inForce(fingerprint.parse(issued.value))).record;
  }

  private async inForce(presented: Fingerprint): Promise<StoredCertificate> {
    const { inventory, clock } = this.options;
    const stored = await inventory.get(presented);
    if (stored === undefined)
      throw new Problem('forbidden', 'This signer did not issue the certificate. Enrol with a one-time token.');
    const { revocation, notAfter } = stored.record;
    if (revocation !== undefined)
      throw new Problem('forbidden', 'The certificate has been revoked. Enrol again with a new one-time token.');
    // The listener refuses an expired certificate in the handshake. But the connection may be older than that.
    if (hasEnded(stored.record, clock.now()))
      throw new Problem('forbidden', `The certificate expired ${notAfter}. Enrol again with a new one-time token.`);
    return stored;
  }

  private orderFor({ actor, stored }: CertificateHolder, { csr, digest }: IncomingRequest): IssueOrder {
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
