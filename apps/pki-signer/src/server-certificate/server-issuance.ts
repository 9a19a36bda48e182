import { type DeviceId, type OcfUuid, ocfDeviceId } from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import { type Certificate, parseCertificateRequest, verifyPossession, verifySignedBy } from '@sallyport/x509';
import type { Hierarchy } from '../authority/hierarchy.js';
import { issuedCertificates } from '../est/est-certificates.js';
import type { Inventory } from '../inventory/inventory.js';
import type { CertificateIssuer } from '../issuance/certificate-issuer.js';
import { requestedNamesOf } from '../issuance/requested-names.js';
import { untilStored } from '../issuance/until-stored.js';

export interface ServerIssuanceOptions {
  readonly issuer: CertificateIssuer;
  readonly hierarchy: Hierarchy;
  readonly inventory: Inventory;
  readonly clock: Clock;
  /** The name in the certificate of the CoAP gateway. */
  readonly hubId: OcfUuid;
}

/** What a service asks for its entrance. */
export interface ServerOrder {
  /** The service whose entrance shows the certificate. It is the name in it, but for the CoAP gateway. */
  readonly name: DeviceId;
  /** PKCS#10, DER. */
  readonly request: Buffer;
  /** Host names and addresses it may contain. */
  readonly permittedHosts: readonly string[];
}

/** Issues certificates for entrances of this site, which need no token: the signer's own, and those of other services. */
export class ServerIssuance {
  constructor(private readonly options: ServerIssuanceOptions) {}

  /**
   * @returns DER, leaf first, without the root
   * @throws Problem `csr-rejected`, `csr-forbidden`, `signing-key-unavailable`: nothing was signed
   */
  async issue({ name, request, permittedHosts }: ServerOrder): Promise<readonly Buffer[]> {
    const { hierarchy, issuer } = this.options;
    const csr = parseCertificateRequest(request);
    verifyPossession(csr);
    const order = {
      csr,
      ...this.holderOf(name),
      provisioner: 'signer',
      actor: 'signer',
      permittedHosts,
      requested: requestedNamesOf(csr),
      reinstate: false,
    } as const;
    const record = await untilStored(hierarchy, () => issuer.issue(order));
    return issuedCertificates(hierarchy, record);
  }

  /**
   * Devices of OCF accept only a gateway whose certificate has the id of their cloud as its name, and is good for a
   * client too (OCF Cloud Security §6.1). The gateway need not know this id: its CSR has the name of the service.
   */
  private holderOf(service: DeviceId) {
    if (service !== 'coap-gateway') return { name: service, profile: 'server' } as const;
    return { name: ocfDeviceId(this.options.hubId), profile: 'hub', alias: service } as const;
  }

  /** Whether a certificate must be made anew although it is young: its issuer has changed, or it was revoked. */
  async isObsolete(certificate: Certificate): Promise<boolean> {
    const { clock, hierarchy, inventory } = this.options;
    const now = clock.now();
    const { certificate: issuing } = hierarchy.signing('service');
    // It was made while the clock was ahead. If the CA was too, a new certificate would be no better.
    if (now < certificate.notBefore && now >= issuing.notBefore) return true;
    // Tokens name the root of the active service CA, so this certificate must come from that CA. Its key is checked,
    // because another CA may have the same name.
    if (!verifySignedBy(certificate, issuing)) return true;
    const reason = (await inventory.get(certificate.fingerprint))?.record.revocation?.reason;
    // If the registry revoked the signer itself, a new certificate would be revoked too, so do not renew.
    return reason !== undefined && reason !== 'privilegeWithdrawn' && reason !== 'cessationOfOperation';
  }
}
