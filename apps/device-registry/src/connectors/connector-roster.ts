import { Injectable } from '@nestjs/common';
import { namesEntityTag } from '@sallyport/http';
import {
  type ConnectorDocument,
  type ConnectorName,
  defaultConnector,
  initialConnectorSettings,
  Problem,
} from '@sallyport/protocol';
import { DeviceDirectory } from '../devices/index/device-directory.js';
import { ConnectorDrafts } from './connector-drafts.js';
import { ConnectorListeners } from './connector-listeners.js';
import { connectorTag } from './connector-view.js';
import { Connectors } from './connectors.js';

const mostConnectors = 64;

/** Which connectors there are. */
@Injectable()
export class ConnectorRoster {
  constructor(
    private readonly connectors: Connectors,
    private readonly drafts: ConnectorDrafts,
    private readonly listeners: ConnectorListeners,
    private readonly directory: DeviceDirectory,
  ) {}

  /** @throws Problem `conflict`: there is one of this name, or there are too many */
  async create(name: ConnectorName, actor: string): Promise<ConnectorDocument> {
    const { byName } = await this.connectors.inForce();
    if (byName.size >= mostConnectors)
      throw new Problem('conflict', `There are ${mostConnectors} connectors already. Remove one that is not needed.`);
    const document: ConnectorDocument = { name, version: 1, settings: initialConnectorSettings, clientCas: [] };
    const version = byName.has(name)
      ? undefined
      : await this.connectors.commit({
          compares: [this.connectors.unchanged({ document, revision: 0 })],
          operations: [this.connectors.written(document)],
          audit: [{ actor, action: 'connector-created', subject: name, outcome: 'succeeded', details: {} }],
        });
    if (version === undefined) throw new Problem('conflict', `There is a connector "${name}" already.`);
    return document;
  }

  /**
   * Removes a connector with its drafts.
   *
   * @throws Problem `forbidden`: the default connector
   * @throws Problem `conflict`: it has Client CAs or devices
   * @throws Problem `precondition-failed`: somebody changed it
   */
  async remove(name: ConnectorName, { ifMatch, actor }: { ifMatch: string; actor: string }): Promise<void> {
    if (name === defaultConnector) throw new Problem('forbidden', 'The default connector cannot be removed.');
    const stored = await this.connectors.require(name);
    if (!namesEntityTag(ifMatch, connectorTag(stored.document), 'strong')) throw changed(name);
    if (stored.document.clientCas.length > 0)
      throw new Problem(
        'conflict',
        `Connector "${name}" has Client CAs, whose devices would be cut off. Remove those first.`,
      );
    const devices = await this.directory.count({ connector: name });
    if (devices > 0)
      throw new Problem('conflict', `Connector "${name}" still has devices: ${devices}. Delete them first.`);
    const drafts = await this.drafts.allOf(name);
    const version = await this.connectors.commit({
      compares: [this.connectors.unchanged(stored)],
      operations: [this.connectors.removed(name), ...drafts.map(({ key }) => ({ delete: key }))],
      audit: [{ actor, action: 'connector-removed', subject: name, outcome: 'succeeded', details: {} }],
    });
    if (version === undefined) throw changed(name);
    await this.listeners.waitFor(version);
  }
}

function changed(name: ConnectorName): Problem {
  return new Problem('precondition-failed', `Somebody changed connector "${name}". Look at it again, and repeat.`);
}
