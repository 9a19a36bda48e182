import { Body, Controller, Headers, Param, Res } from '@nestjs/common';
import { Actor } from '@sallyport/entrance';
import { RpcHandler } from '@sallyport/mqtt';
import {
  type ConnectorDescription,
  type ConnectorDirectory,
  type ConnectorDocument,
  type ConnectorList,
  connectorName,
  connectorRoutes,
  defaultConnector,
  describeConnectors,
  newConnector,
  reportConnectorsVersion,
} from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { z } from 'zod';
import { ConnectorDrafts } from './connector-drafts.js';
import { ConnectorListeners, type ListenerReport } from './connector-listeners.js';
import { ConnectorRoster } from './connector-roster.js';
import { connectorTag, summaryOf, viewOf } from './connector-view.js';
import { Connectors } from './connectors.js';
import { type Reply, requireTag } from './version-header.js';

const connectorPath = z.object({ name: connectorName });

/** The connectors as they are in force: for administrators, and for those who listen for devices. */
@Controller()
export class ConnectorsController {
  constructor(
    private readonly connectors: Connectors,
    private readonly drafts: ConnectorDrafts,
    private readonly roster: ConnectorRoster,
    private readonly listeners: ConnectorListeners,
  ) {}

  @RpcHandler(describeConnectors)
  async directory(): Promise<ConnectorDirectory> {
    const { version, byName } = await this.connectors.inForce();
    return { version, connectors: defaultFirst([...byName.values()]).map(viewOf) };
  }

  @RpcHandler(reportConnectorsVersion)
  async report(report: ListenerReport): Promise<{ version: number }> {
    await this.listeners.note(report);
    return { version: (await this.connectors.inForce()).version };
  }

  @Serves(connectorRoutes.listConnectors)
  async list(): Promise<ConnectorList> {
    const { byName } = await this.connectors.inForce();
    return { connectors: defaultFirst([...byName.values()]).map(summaryOf) };
  }

  @Serves(connectorRoutes.createConnector)
  async create(@Body() body: unknown, @Actor() actor: string): Promise<ConnectorDescription> {
    const { name } = newConnector.parse(body);
    return this.describe(await this.roster.create(name, actor));
  }

  @Serves(connectorRoutes.showConnector)
  async show(@Param() path: unknown, @Res({ passthrough: true }) reply: Reply): Promise<ConnectorDescription> {
    const { document } = await this.connectors.require(connectorPath.parse(path).name);
    reply.header('etag', connectorTag(document));
    return this.describe(document);
  }

  @Serves(connectorRoutes.removeConnector)
  remove(
    @Param() path: unknown,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: string,
  ): Promise<void> {
    return this.roster.remove(connectorPath.parse(path).name, { ifMatch: requireTag(ifMatch), actor });
  }

  private async describe(document: ConnectorDocument): Promise<ConnectorDescription> {
    return { etag: connectorTag(document), document, drafts: await this.drafts.openOnes(document.name) };
  }
}

function defaultFirst(documents: readonly ConnectorDocument[]): ConnectorDocument[] {
  const isDefault = ({ name }: ConnectorDocument) => name === defaultConnector;
  return [...documents.filter(isDefault), ...documents.filter((each) => !isDefault(each))];
}
