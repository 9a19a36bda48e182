import { Problem, type SigningRequest, type SigningResponse } from '@sallyport/protocol';
import { derFromPem, pemFromDer } from '@sallyport/x509';
import type { Hierarchy } from '../authority/hierarchy.js';
import type { CertificateRecord } from '../inventory/certificate-record.js';
import type { CertificateIssuer } from './certificate-issuer.js';
import { readRequest } from './incoming-request.js';
import type { RefusalLog } from './refusal-log.js';
import type { RegistryGate } from './registry-gate.js';
import { canonicalHost, requestedNamesOf } from './requested-names.js';
import { untilStored } from './until-stored.js';

const requestLabel = /^(?:NEW )?CERTIFICATE REQUEST$/;

export interface AdminSigningOptions {
  readonly issuer: CertificateIssuer;
  readonly hierarchy: Hierarchy;
  readonly registry: RegistryGate;
  readonly refusals: RefusalLog;
}

/** Signs the CSR of an administrator or a service, on the word of an administrator. */
export class AdminSigning {
  constructor(private readonly options: AdminSigningOptions) {}

  /**
   * @throws Problem `csr-rejected`, `csr-forbidden`: the CSR is unreadable or breaks the profile
   * @throws Problem `forbidden`, `unavailable`: as the device registry says
   */
  async sign(request: SigningRequest, actor: string): Promise<SigningResponse> {
    const [der] = derFromPem(request.csr, requestLabel);
    if (der === undefined) throw new Problem('csr-rejected', 'There is no CERTIFICATE REQUEST block in the PEM text.');
    const { hierarchy, refusals } = this.options;
    const record = await refusals.watch({ actor, subject: request.name, csr: der }, () =>
      untilStored(hierarchy, () => this.issueFor(der, request, actor)),
    );
    const { certificate, intermediates } = hierarchy.byId(record.issuer);
    const ders = [Buffer.from(record.certificate, 'base64'), certificate.der, ...intermediates.map((link) => link.der)];
    const chain = ders.map((link) => pemFromDer('CERTIFICATE', link)).join('');
    const { fingerprint, notAfter, leftOut } = record;
    return { fingerprint, notAfter, chain, ...(leftOut === undefined ? {} : { leftOut }) };
  }

  private async issueFor(
    der: Buffer,
    { name, profile, subjectAltNames }: SigningRequest,
    actor: string,
  ): Promise<CertificateRecord | undefined> {
    const { issuer, registry } = this.options;
    const { csr } = readRequest(der, () => []);
    await registry.require({ deviceId: name, kind: profile, reinstate: false });
    return issuer.issue({
      csr,
      name,
      profile,
      provisioner: 'admin',
      actor,
      permittedHosts: subjectAltNames.map(({ value }) => canonicalHost(value)),
      requested: requestedNamesOf(csr),
      reinstate: false,
      payment: () => ({ compares: [], operations: [] }),
    });
  }
}
