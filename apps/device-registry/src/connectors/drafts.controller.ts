import { Body, Controller, Param, Res } from '@nestjs/common';
import {
  type ConnectorDraft,
  clientCaChange,
  clientCaPath,
  connectorRoutes,
  connectorSettingsChange,
  newClientCa,
  type SavedConnector,
} from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { z } from 'zod';
import { ClientCaDrafts } from './client-ca-drafts.js';
import { ConnectorDrafts, type Draft } from './connector-drafts.js';
import { changedSettings } from './document-changes.js';
import { type DraftRequest, OfDraft } from './draft-request.js';
import { DraftSave } from './draft-save.js';
import { DraftView } from './draft-view.js';
import { type Reply, requireTag } from './version-header.js';

const clientCa = z.object(clientCaPath);
const passthrough = { passthrough: true } as const;

/** Admin API of the drafts: nothing in it is in force before it is saved. */
@Controller()
export class DraftsController {
  constructor(
    private readonly drafts: ConnectorDrafts,
    private readonly clientCas: ClientCaDrafts,
    private readonly saving: DraftSave,
    private readonly view: DraftView,
  ) {}

  @Serves(connectorRoutes.showDraft)
  async show(@OfDraft() asked: DraftRequest, @Res(passthrough) reply: Reply): Promise<ConnectorDraft> {
    return this.answer(await this.drafts.open(asked), reply);
  }

  @Serves(connectorRoutes.changeDraft)
  async change(
    @OfDraft() asked: DraftRequest,
    @Body() body: unknown,
    @Res(passthrough) reply: Reply,
  ): Promise<ConnectorDraft> {
    const change = connectorSettingsChange.parse(body);
    const edited = await this.drafts.change(asked, (document) => ({
      ...document,
      settings: changedSettings(document.settings, change),
    }));
    return this.answer(edited, reply);
  }

  @Serves(connectorRoutes.discardDraft)
  discard(@OfDraft() asked: DraftRequest): Promise<void> {
    return this.drafts.discard(asked);
  }

  @Serves(connectorRoutes.rebaseDraft)
  async rebase(@OfDraft() asked: DraftRequest, @Res(passthrough) reply: Reply): Promise<ConnectorDraft> {
    return this.answer(await this.drafts.rebase(asked), reply);
  }

  @Serves(connectorRoutes.saveDraft)
  async save(@OfDraft() asked: DraftRequest, @Res(passthrough) reply: Reply): Promise<SavedConnector> {
    const saved = await this.saving.save(asked, requireTag(asked.ifMatch));
    reply.header('etag', saved.etag);
    return saved;
  }

  @Serves(connectorRoutes.addClientCa)
  async add(
    @OfDraft() asked: DraftRequest,
    @Body() body: unknown,
    @Res(passthrough) reply: Reply,
  ): Promise<ConnectorDraft> {
    return this.answer(await this.clientCas.add(asked, newClientCa.parse(body)), reply);
  }

  @Serves(connectorRoutes.changeClientCa)
  async changeClientCa(
    @OfDraft() asked: DraftRequest,
    @Param() params: unknown,
    @Body() body: unknown,
    @Res(passthrough) reply: Reply,
  ): Promise<ConnectorDraft> {
    const { id } = clientCa.parse(params);
    return this.answer(await this.clientCas.change(asked, id, clientCaChange.parse(body)), reply);
  }

  @Serves(connectorRoutes.removeClientCa)
  async removeClientCa(
    @OfDraft() asked: DraftRequest,
    @Param() params: unknown,
    @Res(passthrough) reply: Reply,
  ): Promise<ConnectorDraft> {
    return this.answer(await this.clientCas.remove(asked, clientCa.parse(params).id), reply);
  }

  private async answer(draft: Draft, reply: Reply): Promise<ConnectorDraft> {
    const description = await this.view.describe(draft);
    reply.header('etag', description.etag);
    return description;
  }
}
