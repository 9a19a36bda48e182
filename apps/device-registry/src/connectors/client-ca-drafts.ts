import { Injectable } from '@nestjs/common';
import { type AcceptedCa, acceptClientCa, checkNaming } from '@sallyport/client-ca';
import {
  type AuthorityId,
  type ClientCa,
  type ClientCaChange,
  type ConnectorDocument,
  clientCa,
  type NewClientCa,
  Problem,
} from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { ConnectorDrafts, type Draft, type DraftOwner } from './connector-drafts.js';
import { changedClientCa, withClientCa } from './document-changes.js';
import type { DraftRequest } from './draft-request.js';

const mostCertificates = 8;

/** Client CAs in drafts. */
@Injectable()
export class ClientCaDrafts {
  constructor(
    private readonly drafts: ConnectorDrafts,
    private readonly clock: Clock,
  ) {}

  /**
   * Adds a Client CA; or another certificate of one that is there, which was issued again.
   *
   * @throws Problem `certificate-rejected`: it cannot be a Client CA
   * @throws Problem `conflict`: exactly this certificate is there already
   */
  add(asked: DraftRequest, { certificate, ...change }: NewClientCa): Promise<Draft> {
    const accepted = acceptClientCa(certificate, this.clock.now());
    if (change.naming !== undefined) checkNaming(change.naming);
    return this.drafts.change(asked, (document) => {
      const known = document.clientCas.find(({ id }) => id === accepted.id);
      const added = known === undefined ? this.newEntry(accepted, asked) : withCertificate(known, accepted);
      return withClientCa(document, changedClientCa(added, change));
    });
  }

  /** @throws Problem `not-found`: there is no such Client CA */
  change(asked: DraftRequest, id: AuthorityId, change: ClientCaChange): Promise<Draft> {
    if (change.naming !== undefined) checkNaming(change.naming);
    return this.drafts.change(asked, (document) =>
      withClientCa(document, changedClientCa(requireClientCa(document, id), change)),
    );
  }

  /** @throws Problem `not-found`: there is no such Client CA */
  remove(asked: DraftRequest, id: AuthorityId): Promise<Draft> {
    return this.drafts.change(asked, (document) => {
      const { id: removed } = requireClientCa(document, id);
      return { ...document, clientCas: document.clientCas.filter((each) => each.id !== removed) };
    });
  }

  private newEntry({ id, certificate, entry }: AcceptedCa, { actor }: DraftOwner): ClientCa {
    const [commonName] = certificate.subject.commonNames;
    return clientCa.parse({
      id,
      label: labelOf(commonName ?? entry.subject),
      certificates: [entry],
      provision: true,
      login: true,
      sessions: 'end',
      approval: 'automatic',
      naming: { by: 'cn' },
      crl: { mode: 'off' },
      proof: { by: 'attested', actor, at: this.clock.now().toISOString() },
    });
  }
}

/** @throws Problem `not-found` */
export function requireClientCa({ name, clientCas }: ConnectorDocument, id: AuthorityId): ClientCa {
  const found = clientCas.find((each) => each.id === id);
  if (found !== undefined) return found;
  throw new Problem(
    'not-found',
    `Connector "${name}" has no Client CA ${id}. See which there are: sallyport client-ca list`,
  );
}

function withCertificate(known: ClientCa, { entry }: AcceptedCa): ClientCa {
  if (known.certificates.some(({ fingerprint }) => fingerprint === entry.fingerprint))
    throw new Problem('conflict', `This certificate is there already: it belongs to the Client CA "${known.label}".`);
  if (known.certificates.length >= mostCertificates)
    throw new Problem('conflict', `The Client CA "${known.label}" has ${mostCertificates} certificates already.`);
  return { ...known, certificates: [entry, ...known.certificates] };
}

/** A label without what could forge a line, from a name somebody else chose. */
function labelOf(name: string): string {
  const plain = name
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '')
    .trim()
    .slice(0, 128);
  return plain === '' ? 'unnamed' : plain;
}
