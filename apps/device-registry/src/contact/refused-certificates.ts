import { Injectable } from '@nestjs/common';
import type { CertificateAdmissionRequest, ClientCa, DeviceId, Fingerprint } from '@sallyport/protocol';
import { ClientCaCrls } from '../connectors/client-ca-crls.js';
import { DeviceLists } from '../devices/device-lists.js';
import { Devices } from '../devices/devices.js';
import { RegistrySite } from '../site/registry-site.js';
import type { AcceptedIssuer } from './accepted-issuer.js';
import type { CertificateContact } from './certificate-contact.js';
import { Refusal } from './refusal.js';

/** Certificates and names that are refused whatever else is true of them. */
@Injectable()
export class RefusedCertificates {
  constructor(
    private readonly devices: Devices,
    private readonly lists: DeviceLists,
    private readonly site: RegistrySite,
    private readonly crls: ClientCaCrls,
  ) {}

  /**
   * Checks the CAs of a certificate, the revocation list of its Client CA, and what was revoked here.
   *
   * @throws Refusal `issuer-unknown`, `revocation-unknown`, `certificate-revoked`
   */
  async requireGood({ request }: CertificateContact, issuer: AcceptedIssuer): Promise<void> {
    if (this.site.isDistrusted(request)) throw new Refusal('issuer-unknown');
    if (issuer.kind === 'client-ca') await this.requireNotListed(request, issuer.clientCa);
    const { fingerprint, serialNumber, knownIssuerFingerprints, authorities } = request;
    // By fingerprint and by issuer and serial number: one certificate may stand in several encodings.
    const issuers = [...knownIssuerFingerprints, ...authorities.slice(0, 1)];
    if (await this.devices.isDenied({ fingerprint, serialNumber, issuers })) throw new Refusal('certificate-revoked');
  }

  private async requireNotListed(request: CertificateAdmissionRequest, clientCa: ClientCa): Promise<void> {
    const { serialNumber, authorities } = request;
    const verdict = await this.crls.verdict(clientCa, { serialNumber, issuer: authorities[0] });
    if (verdict === 'revoked') throw new Refusal('certificate-revoked');
    if (verdict === 'unknown') throw new Refusal('revocation-unknown');
  }

  /** @throws Refusal `identity-denied` */
  async requireNotDenied(peer: { readonly identity: DeviceId; readonly fingerprint?: Fingerprint }): Promise<void> {
    const { identity: deviceId, fingerprint } = peer;
    if ((await this.lists.denialOf({ deviceId, fingerprint })) !== undefined) throw new Refusal('identity-denied');
  }
}
