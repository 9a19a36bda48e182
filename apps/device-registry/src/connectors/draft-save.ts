import { Injectable } from '@nestjs/common';
import type { AuditEntry } from '@sallyport/audit';
import { type ConnectorDocument, type Finding, Problem, type SavedConnector } from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { AllowedAddresses } from '../allowed-addresses.js';
import { ConnectorDrafts, checkVersion, type Draft, type DraftOwner } from './connector-drafts.js';
import { ConnectorListeners } from './connector-listeners.js';
import { connectorTag } from './connector-view.js';
import { Connectors } from './connectors.js';
import { type DocumentChange, documentChanges } from './document-diff.js';
import { documentFindings } from './document-rules.js';

/** Rows of one save in the audit log; the rest is told by their number. */
const mostRows = 200;
const mostTries = 20;

/** Puts drafts into force. */
@Injectable()
export class DraftSave {
  constructor(
    private readonly connectors: Connectors,
    private readonly drafts: ConnectorDrafts,
    private readonly listeners: ConnectorListeners,
    private readonly clock: Clock,
    private readonly allowed: AllowedAddresses,
  ) {}

  /** What stands against saving a document, and what to know before. */
  async findings(document: ConnectorDocument): Promise<Finding[]> {
    const { byName } = await this.connectors.inForce();
    const others = [...byName.values()].filter(({ name }) => name !== document.name);
    const hookOrigins = await this.allowed.webhookOrigins();
    return documentFindings(document, { others, hookOrigins, now: this.clock.now() });
  }

  /**
   * Saves a draft as a whole, and waits until the listeners apply it.
   *
   * @param ifMatch the etag of the draft that was looked at
   * @throws Problem `precondition-failed`: the draft is another one, or somebody else saved since it was begun
   * @throws Problem `conflict`: a finding stands against it, or nothing is changed
   */
  async save(owner: DraftOwner, ifMatch: string): Promise<SavedConnector> {
    for (let tries = 0; tries < mostTries; tries += 1) {
      const saved = await this.attempt(owner, ifMatch);
      if (saved === undefined) continue;
      const { document, version } = saved;
      return { etag: connectorTag(document), document, followed: await this.listeners.waitFor(version) };
    }
    throw new Problem('unavailable', 'The connectors change too often at the moment. Try again.', {
      retryAfterSeconds: 1,
    });
  }

  /** Undefined when anything was saved since the check: two connectors could then have one domain. Check again. */
  private async attempt(owner: DraftOwner, ifMatch: string) {
    const draft = await this.drafts.open(owner);
    checkVersion(ifMatch, draft);
    const changes = documentChanges(draft.base, draft.document);
    if (changes.length === 0) throw new Problem('conflict', 'There is nothing to save: the draft changes nothing.');
    const { version: seen } = await this.connectors.inForce();
    await this.requireFit(draft.document);
    const current = await this.connectors.require(owner.name);
    if (current.document.version !== draft.base.version) throw savedMeanwhile(draft, current.document);
    const document = { ...draft.document, version: current.document.version + 1 };
    const version = await this.connectors.commit({
      compares: [this.connectors.unchanged(current), this.drafts.unchanged(owner, draft)],
      operations: [this.connectors.written(document), ...this.drafts.removal(owner)],
      audit: auditOf(owner, document, changes),
      seen,
    });
    return version === undefined ? undefined : { document, version };
  }

  private async requireFit(document: ConnectorDocument): Promise<void> {
    const faults = (await this.findings(document)).filter(({ severity }) => severity === 'error');
    if (faults.length === 0) return;
    throw new Problem('conflict', `The draft cannot be saved. ${faults.map(({ text }) => text).join(' ')}`);
  }
}

function savedMeanwhile({ base }: Draft, { version }: ConnectorDocument): Problem {
  return new Problem(
    'precondition-failed',
    `Somebody else saved this connector: your draft is based on version ${base.version}, and version ${version} is in force. Nothing was saved. Put your changes onto it: sallyport connector rebase`,
  );
}

function auditOf(
  { name, actor }: DraftOwner,
  { version }: ConnectorDocument,
  changes: readonly DocumentChange[],
): AuditEntry[] {
  const base = { actor, subject: name, outcome: 'succeeded' as const };
  const saved = { ...base, action: 'connector-saved', details: { version, changes: changes.length } };
  const rows = changes.slice(0, mostRows).map(({ path, text }) => {
    return { ...base, action: 'connector-changed', details: { version, path, change: text } };
  });
  return [saved, ...rows];
}
