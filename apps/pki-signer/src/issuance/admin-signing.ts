import { canonicalHost, Problem, type SigningRequest, type SigningResponse } from '@sallyport/protocol';
import { derFromPem, pemFromDer } from '@sallyport/x509';
import type { Hierarchy } from '../authority/hierarchy.js';
import type { CertificateRecord } from '../inventory/certificate-record.js';
import type { IssueOrder } from './certificate-issuer.js';
import type { IncomingRequest } from './incoming-request.js';
import type { Issuance, Requester } from './issuance.js';
import { requestedNamesOf } from './requested-names.js';

const requestLabel = /^(?:NEW )?CERTIFICATE REQUEST$/;

/** Signs the CSR of an administrator or a service, because an administrator asks for it. */
export class AdminSigning {
  constructor(
    private readonly issuance: Issuance,
    private readonly hierarchy: Hierarchy,
  ) {}

  /**
   * @throws Problem `csr-rejected`, `csr-forbidden`: the CSR is unreadable or breaks the profile
   * @throws Problem `forbidden`, `unavailable`: as the device registry says
   */
  async sign(request: SigningRequest, actor: string): Promise<SigningResponse> {
    const [csr] = derFromPem(request.csr, requestLabel);
    if (csr === undefined) throw new Problem('csr-rejected', 'There is no CERTIFICATE REQUEST block in the PEM text.');
    const { name: subject } = request;
    const record = await this.issuance.issue({
      csr,
      channelBindings: () => [],
      queueKey: `admin ${subject}`,
      // Only administrators reach the admin API. They may sign as often as they like, and need no other credential.
      limit: () => undefined,
      authenticate: async () => ({ actor, subject }),
      authorize: async (administrator) => administrator,
      findEarlier: async () => undefined,
      orderFor: (administrator, incoming) => orderFor(request, administrator, incoming),
    });
    return this.answer(record);
  }

  private answer({ certificate, issuer, fingerprint, notAfter, leftOut }: CertificateRecord): SigningResponse {
    const authority = this.hierarchy.byId(issuer);
    const authorities = [authority.certificate, ...authority.intermediates];
    const ders = [Buffer.from(certificate, 'base64'), ...authorities.map(({ der }) => der)];
    const chain = ders.map((der) => pemFromDer('CERTIFICATE', der)).join('');
    return { fingerprint, notAfter, chain, ...(leftOut === undefined ? {} : { leftOut }) };
  }
}

function orderFor(
  { name, profile, subjectAltNames }: SigningRequest,
  { actor }: Requester,
  { csr }: IncomingRequest,
): IssueOrder {
  return {
    csr,
    name,
    profile,
    provisioner: 'admin',
    actor,
    permittedHosts: subjectAltNames.map(({ value }) => canonicalHost(value)),
    requested: requestedNamesOf(csr),
    reinstate: false,
  };
}
