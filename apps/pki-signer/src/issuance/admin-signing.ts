import { Problem, type SigningRequest, type SigningResponse } from '@sallyport/protocol';
import { derFromPem, pemFromDer } from '@sallyport/x509';
import type { Hierarchy } from '../authority/hierarchy.js';
import type { CertificateIssuer } from './certificate-issuer.js';
import { readRequest } from './incoming-request.js';
import type { RegistryGate } from './registry-gate.js';
import { requestedNamesOf } from './requested-names.js';

const requestLabel = /^(?:NEW )?CERTIFICATE REQUEST$/;

/** Signs the CSR of an administrator or a service, on the word of an administrator. */
export class AdminSigning {
  constructor(
    private readonly issuer: CertificateIssuer,
    private readonly hierarchy: Hierarchy,
    private readonly registry: RegistryGate,
  ) {}

  /**
   * @throws Problem `csr-rejected`, `csr-forbidden`: the CSR is unreadable or breaks the profile
   * @throws Problem `forbidden`, `unavailable`: as the device registry says
   * @throws Problem `conflict`: the hierarchy changed meanwhile; ask again
   */
  async sign({ csr, name, profile, subjectAltNames }: SigningRequest, actor: string): Promise<SigningResponse> {
    const [der] = derFromPem(csr, requestLabel);
    if (der === undefined) throw new Problem('csr-rejected', 'There is no CERTIFICATE REQUEST block in the PEM text.');
    const incoming = readRequest(der, () => []);
    await this.registry.require({ deviceId: name, kind: profile, reinstate: false });
    const record = await this.issuer.issue({
      csr: incoming.csr,
      name,
      profile,
      provisioner: 'admin',
      actor,
      permittedHosts: subjectAltNames.map(({ value }) => value.toLowerCase()),
      requested: requestedNamesOf(incoming.csr),
      reinstate: false,
      payment: () => ({ compares: [], operations: [] }),
    });
    if (record === undefined) throw new Problem('conflict', 'The CA hierarchy was changed meanwhile. Ask again.');
    const { certificate, intermediates } = this.hierarchy.byId(record.issuer);
    const ders = [Buffer.from(record.certificate, 'base64'), certificate.der, ...intermediates.map((link) => link.der)];
    const chain = ders.map((link) => pemFromDer('CERTIFICATE', link)).join('');
    return { fingerprint: record.fingerprint, notAfter: record.notAfter, chain };
  }
}
