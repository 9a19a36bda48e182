import { Injectable } from '@nestjs/common';
import {
  type AuthorityId,
  type ConnectorDraft,
  type ConnectorName,
  type DraftChange,
  Problem,
} from '@sallyport/protocol';
import { ClientCaDevices } from './client-ca-devices.js';
import { type Draft, draftTag } from './connector-drafts.js';
import { Connectors } from './connectors.js';
import { type DocumentChange, documentChanges } from './document-diff.js';
import { DraftSave } from './draft-save.js';

/** Drafts as administrators see them. */
@Injectable()
export class DraftView {
  constructor(
    private readonly connectors: Connectors,
    private readonly saving: DraftSave,
    private readonly devices: ClientCaDevices,
  ) {}

  /** A draft, how it differs from what it was begun on, and how many devices each difference concerns. */
  async describe(draft: Draft): Promise<ConnectorDraft> {
    const { name } = draft.document;
    const [{ document: current }, findings, changes] = await Promise.all([
      this.connectors.require(name),
      this.saving.findings(draft.document),
      this.withDevices(draft, documentChanges(draft.base, draft.document)),
    ]);
    const { actor, base, document, changedAt } = draft;
    return {
      etag: draftTag(draft),
      actor,
      basedOn: base.version,
      current: current.version,
      ...(changedAt === undefined ? {} : { changedAt }),
      changes,
      findings,
      document,
    };
  }

  private async withDevices({ document }: Draft, changes: readonly DocumentChange[]): Promise<DraftChange[]> {
    const ids = [...new Set(changes.flatMap(({ clientCa }) => clientCa ?? []))];
    const totals = await Promise.all(ids.map((id) => this.totalOf(document.name, id)));
    const byId = new Map(ids.map((id, index) => [id, totals[index]]));
    return changes.map(({ clientCa, ...change }) => {
      const devices = clientCa === undefined ? undefined : byId.get(clientCa);
      return devices === undefined ? change : { ...change, devices };
    });
  }

  /** Undefined while the devices are still being read after a start: the draft is shown without the number. */
  private async totalOf(connector: ConnectorName, id: AuthorityId): Promise<number | undefined> {
    try {
      return (await this.devices.count(connector, id)).total;
    } catch (error) {
      if (error instanceof Problem && error.type === 'unavailable') return undefined;
      throw error;
    }
  }
}
