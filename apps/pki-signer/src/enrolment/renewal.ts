import { type DeviceId, type Fingerprint, fingerprint, type LeafProfile, Problem } from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import type { Store } from '@sallyport/store';
import { networkOf } from '@sallyport/tls';
import { parseCertificate } from '@sallyport/x509';
import type { Hierarchy } from '../authority/hierarchy.js';
import type { CertificateRecord } from '../inventory/certificate-record.js';
import type { Inventory, StoredCertificate } from '../inventory/inventory.js';
import type { CertificateIssuer, LeafProfileName } from '../issuance/certificate-issuer.js';
import { type IncomingRequest, readRequest } from '../issuance/incoming-request.js';
import type { RefusalLog } from '../issuance/refusal-log.js';
import type { RegistryGate } from '../issuance/registry-gate.js';
import { asksForSameNames } from '../issuance/requested-names.js';
import type { SignerMetrics } from '../issuance/signer-metrics.js';
import { untilStored } from '../issuance/until-stored.js';
import type { CallerLimits } from './enrolment.js';
import { KeyedQueue } from './keyed-queue.js';

/** A renewal, as it came in over a connection that proved possession of the certificate's key. */
export interface RenewalRequest {
  /** Of the certificate the connection was made with. */
  readonly fingerprint: Fingerprint;
  readonly deviceId: DeviceId;
  /** PKCS#10, DER. */
  readonly csr: Buffer;
  /** Of the connection, base64; asked for only when the CSR refers to it. */
  readonly channelBindings: () => readonly string[];
  readonly remoteAddress: string;
  /** Only a certificate of this profile will do; any when absent. */
  readonly profile?: LeafProfile;
}

export interface RenewalOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly issuer: CertificateIssuer;
  readonly inventory: Inventory;
  readonly hierarchy: Hierarchy;
  readonly refusals: RefusalLog;
  readonly registry: RegistryGate;
  readonly limits: CallerLimits;
  readonly metrics: SignerMetrics;
}

const replayWindowSeconds = 10 * 60;

/** Renews a certificate with itself as the credential (RFC 7030 §4.2.2). The old one stays good until it expires. */
export class Renewal {
  private readonly queue = new KeyedQueue();

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
  async renew(request: RenewalRequest): Promise<CertificateRecord> {
    const { limits } = this.options;
    limits.byAddress.admit(networkOf(request.remoteAddress));
    limits.byName.admit(request.deviceId);
    return this.queue.run(request.fingerprint, () => this.renewInTurn(request));
  }

  private async renewInTurn(request: RenewalRequest): Promise<CertificateRecord> {
    const { metrics, hierarchy } = this.options;
    const incoming = await this.watched(request, () =>
      metrics.timed('verify', () => readRequest(request.csr, request.channelBindings)),
    );
    return untilStored(hierarchy, () => this.watched(request, () => this.tryRenew(request, incoming)));
  }

  private async tryRenew(request: RenewalRequest, incoming: IncomingRequest): Promise<CertificateRecord | undefined> {
    const renewable = await this.inForce(request.fingerprint);
    const { profile } = renewable.record;
    if (request.profile !== undefined && request.profile !== profile)
      throw new Problem('forbidden', `The certificate is of profile "${profile}".`);
    const before = await this.options.store.get(replayKey(request.fingerprint, incoming.digest));
    if (before === undefined) return this.issueFor(renewable, incoming, request);
    return (await this.inForce(fingerprint.parse(before.value))).record;
  }

  private watched<Result>(request: RenewalRequest, work: () => Promise<Result>): Promise<Result> {
    const { deviceId: subject, csr } = request;
    return this.options.refusals.watch({ actor: actorOf(request), subject, csr }, work);
  }

  private async inForce(presented: Fingerprint): Promise<StoredCertificate> {
    const { inventory, clock } = this.options;
    const stored = await inventory.get(presented);
    if (stored === undefined)
      throw new Problem('forbidden', 'This signer did not issue the certificate. Enrol with a one-time token.');
    const { revocation, notAfter } = stored.record;
    if (revocation !== undefined)
      throw new Problem('forbidden', 'The certificate has been revoked. Enrol again with a new one-time token.');
    // The listener refuses it at the handshake; a connection may have been open since before.
    if (Date.parse(notAfter) < clock.now().getTime())
      throw new Problem('forbidden', `The certificate expired ${notAfter}. Enrol again with a new one-time token.`);
    return stored;
  }

  private async issueFor(
    stored: StoredCertificate,
    { csr, digest }: IncomingRequest,
    request: RenewalRequest,
  ): Promise<CertificateRecord | undefined> {
    const { record: renewed } = stored;
    const { deviceId, kind, requested } = renewed;
    const certificate = parseCertificate(Buffer.from(renewed.certificate, 'base64'));
    if (!asksForSameNames(csr, certificate, requested))
      throw new Problem(
        'csr-forbidden',
        'Subject and alternative names of the CSR differ from those of the certificate it renews. Send the same names, or enrol again with a one-time token.',
      );
    await this.options.registry.require({ deviceId, kind, reinstate: false });
    const replay = replayKey(renewed.fingerprint, digest);
    return this.options.issuer.issue({
      csr,
      name: deviceId,
      profile: profileNamed(renewed.profile),
      provisioner: 'renewal',
      actor: actorOf(request),
      permittedHosts: certificate.subjectAltNames.map(({ value }) => value),
      subjectAltNames: certificate.subjectAltNames,
      requested,
      reinstate: false,
      renews: renewed.fingerprint,
      payment: (issued) => ({
        // A revocation that comes in between wins.
        compares: [{ key: replay, revision: 0 }, this.options.inventory.unchanged(stored)],
        operations: [{ put: replay, value: issued, ttlSeconds: replayWindowSeconds }],
      }),
    });
  }
}

function profileNamed(name: string): LeafProfileName {
  if (name === 'device' || name === 'service' || name === 'admin') return name;
  throw new Problem('forbidden', `Certificates of profile "${name}" are not renewed over EST.`);
}

function actorOf({ deviceId, remoteAddress }: RenewalRequest): string {
  return `device:${deviceId}@${remoteAddress}`;
}

function replayKey(renewed: Fingerprint, csrDigest: string): string {
  return `renewal/${renewed}/${csrDigest}`;
}
