import { Body, Controller, Headers, Param, Res } from '@nestjs/common';
import { Actor } from '@sallyport/entrance';
import {
  type ConnectorDraft,
  clientCaChange,
  clientCaPath,
  connectorName,
  connectorRoutes,
  connectorSettingsChange,
  newClientCa,
  type SavedConnector,
} from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { z } from 'zod';
import { ClientCaDrafts } from './client-ca-drafts.js';
import { ConnectorDrafts, type Draft, type DraftOwner } from './connector-drafts.js';
import { changedSettings } from './document-changes.js';
import { DraftSave } from './draft-save.js';
import { DraftView } from './draft-view.js';
import { type Reply, requireTag } from './version-header.js';

const path = z.object({ name: connectorName });
const clientCa = z.object(clientCaPath);

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
  async show(
    @Param() params: unknown,
    @Actor() actor: string,
    @Res({ passthrough: true }) reply: Reply,
  ): Promise<ConnectorDraft> {
    return this.answer(await this.drafts.open(ownerOf(params, actor)), reply);
  }

  @Serves(connectorRoutes.changeDraft)
  async change(
    @Param() params: unknown,
    @Body() body: unknown,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: string,
    @Res({ passthrough: true }) reply: Reply,
  ): Promise<ConnectorDraft> {
    const change = connectorSettingsChange.parse(body);
    const edited = await this.drafts.change(ownerOf(params, actor), ifMatch, (document) => ({
      ...document,
      settings: changedSettings(document.settings, change),
    }));
    return this.answer(edited, reply);
  }

  @Serves(connectorRoutes.discardDraft)
  discard(
    @Param() params: unknown,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: string,
  ): Promise<void> {
    return this.drafts.discard(ownerOf(params, actor), ifMatch);
  }

  @Serves(connectorRoutes.rebaseDraft)
  async rebase(
    @Param() params: unknown,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: string,
    @Res({ passthrough: true }) reply: Reply,
  ): Promise<ConnectorDraft> {
    return this.answer(await this.drafts.rebase(ownerOf(params, actor), ifMatch), reply);
  }

  @Serves(connectorRoutes.saveDraft)
  async save(
    @Param() params: unknown,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: string,
    @Res({ passthrough: true }) reply: Reply,
  ): Promise<SavedConnector> {
    const saved = await this.saving.save(ownerOf(params, actor), requireTag(ifMatch));
    reply.header('etag', saved.etag);
    return saved;
  }

  @Serves(connectorRoutes.addClientCa)
  async add(
    @Param() params: unknown,
    @Body() body: unknown,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: string,
    @Res({ passthrough: true }) reply: Reply,
  ): Promise<ConnectorDraft> {
    return this.answer(await this.clientCas.add(ownerOf(params, actor), ifMatch, newClientCa.parse(body)), reply);
  }

  @Serves(connectorRoutes.changeClientCa)
  async changeClientCa(
    @Param() params: unknown,
    @Body() body: unknown,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: string,
    @Res({ passthrough: true }) reply: Reply,
  ): Promise<ConnectorDraft> {
    const order = { id: clientCa.parse(params).id, change: clientCaChange.parse(body) };
    return this.answer(await this.clientCas.change(ownerOf(params, actor), ifMatch, order), reply);
  }

  @Serves(connectorRoutes.removeClientCa)
  async removeClientCa(
    @Param() params: unknown,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: string,
    @Res({ passthrough: true }) reply: Reply,
  ): Promise<ConnectorDraft> {
    const { id } = clientCa.parse(params);
    return this.answer(await this.clientCas.remove(ownerOf(params, actor), ifMatch, id), reply);
  }

  private async answer(draft: Draft, reply: Reply): Promise<ConnectorDraft> {
    const description = await this.view.describe(draft);
    reply.header('etag', description.etag);
    return description;
  }
}

function ownerOf(params: unknown, actor: string): DraftOwner {
  return { name: path.parse(params).name, actor };
}
