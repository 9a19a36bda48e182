import { Injectable } from '@nestjs/common';
import { AuditLog } from '@sallyport/audit';
import { certificatesIn, findClientCa, previewIdentity, readPasted } from '@sallyport/client-ca';
import {
  type AuthorityId,
  type ClientCa,
  type ClientCaDescription,
  type ConnectorDocument,
  type CrlUpload,
  type IdentityPreview,
  type Pasted,
  type PossessionChallenge,
  Problem,
  printable,
  refusals,
} from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { authorityIdOf } from '@sallyport/x509';
import { ClientCaCrls } from './client-ca-crls.js';
import { ClientCaDevices } from './client-ca-devices.js';
import { requireClientCa } from './client-ca-drafts.js';
import { ConnectorDrafts, type DraftOwner } from './connector-drafts.js';
import { Connectors } from './connectors.js';
import { CrlFetch, crlOf } from './crl-fetch.js';
import { clientCaFindings } from './document-rules.js';
import { PossessionProofs } from './possession-proofs.js';

/** A Client CA, the document it stands in, and whether that is in force. */
interface FoundClientCa {
  readonly clientCa: ClientCa;
  readonly document: ConnectorDocument;
  readonly inForce: boolean;
}

/** What administrators do with single Client CAs. */
@Injectable()
export class ClientCas {
  constructor(
    private readonly connectors: Connectors,
    private readonly drafts: ConnectorDrafts,
    private readonly devices: ClientCaDevices,
    private readonly crls: ClientCaCrls,
    private readonly crlFetch: CrlFetch,
    private readonly proofs: PossessionProofs,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** @throws Problem `not-found`: it is neither in force nor in the draft of who asks */
  async describe(owner: DraftOwner, id: AuthorityId): Promise<ClientCaDescription> {
    const { clientCa, document, inForce } = await this.find(owner, id);
    const [devices, crl, crlFault, proof] = await Promise.all([
      this.devices.count(owner.name, id),
      this.crls.describe(id),
      this.crlFetch.faultOf(clientCa),
      this.proofs.proofOf({ connector: owner.name, clientCa }),
    ]);
    return {
      clientCa: { ...clientCa, proof },
      inForce,
      devices,
      ...(crl === undefined ? {} : { crl }),
      ...(crlFault === undefined ? {} : { crlFault }),
      findings: clientCaFindings(clientCa, document, this.clock.now()),
    };
  }

  /** Takes on a revocation list that was uploaded, or fetches it. @throws Problem as `ClientCaCrls.take` says */
  async updateCrl(owner: DraftOwner, id: AuthorityId, upload: CrlUpload): Promise<void> {
    const clientCa = requireClientCa((await this.connectors.require(owner.name)).document, id);
    const order = { connector: owner.name, clientCa, actor: owner.actor };
    await this.audited(owner, { action: 'client-ca-crl-refused', id }, () =>
      'fetch' in upload
        ? this.crlFetch.fetch(clientCa, (list) => this.crls.take(list, { ...order, source: 'fetched' }))
        : this.crls.take(crlOf(upload.crl), { ...order, source: 'uploaded' }),
    );
  }

  async challenge(owner: DraftOwner, id: AuthorityId): Promise<PossessionChallenge> {
    const { clientCa } = await this.find(owner, id);
    return this.proofs.challenge({ connector: owner.name, clientCa, actor: owner.actor });
  }

  async prove(owner: DraftOwner, id: AuthorityId, certificate: Pasted): Promise<void> {
    const { clientCa } = await this.find(owner, id);
    const order = { connector: owner.name, clientCa, actor: owner.actor };
    await this.audited(owner, { action: 'client-ca-proof-refused', id }, () => this.proofs.prove(order, certificate));
  }

  async preview(owner: DraftOwner, certificate: Pasted, against: 'draft' | 'saved'): Promise<IdentityPreview> {
    const document = against === 'draft' ? (await this.drafts.open(owner)).document : await this.inForce(owner);
    const { items } = readPasted(certificate);
    const preview = previewIdentity(items, document, this.clock.now());
    const [leaf, ...others] = certificatesIn(items);
    const found = leaf && findClientCa(leaf, others, document);
    if (preview.outcome === 'refused' || leaf === undefined || found === undefined) return preview;
    const { clientCa, authorities } = found;
    const issuer = authorities[0] && authorityIdOf(authorities[0]);
    const verdict = await this.crls.verdict(clientCa, { serialNumber: leaf.serialNumber, issuer });
    return verdict === 'good' ? preview : refusedByCrl(verdict, clientCa);
  }

  /** The audit log has what was refused, too: it may be somebody who tries to use the CA of others. */
  private async audited(
    { name, actor }: DraftOwner,
    { action, id }: { readonly action: string; readonly id: AuthorityId },
    step: () => Promise<void>,
  ): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const details = { connector: name, problem: error.type, reason: printable(error.message) };
      await this.audit.commit({ entries: [{ actor, action, subject: id, outcome: 'refused', details }] });
      throw error;
    }
  }

  private async inForce({ name }: DraftOwner): Promise<ConnectorDocument> {
    return (await this.connectors.require(name)).document;
  }

  private async find(owner: DraftOwner, id: AuthorityId): Promise<FoundClientCa> {
    const document = await this.inForce(owner);
    const clientCa = document.clientCas.find((each) => each.id === id);
    if (clientCa !== undefined) return { clientCa, document, inForce: true };
    const { document: draft } = await this.drafts.open(owner);
    return { clientCa: requireClientCa(draft, id), document: draft, inForce: false };
  }
}

function refusedByCrl(verdict: 'revoked' | 'unknown', { id, label }: ClientCa): IdentityPreview {
  const reason = verdict === 'revoked' ? 'certificate-revoked' : 'revocation-unknown';
  const { meaning: text, remedy } = refusals[reason];
  return { outcome: 'refused', clientCa: id, label, reason, text, remedy, findings: [] };
}
