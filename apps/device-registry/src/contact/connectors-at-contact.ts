import { Injectable } from '@nestjs/common';
import type { ConnectorDocument, ConnectorName } from '@sallyport/protocol';
import { Connectors } from '../connectors/connectors.js';
import { Refusal } from './refusal.js';

/** The connectors as they are in force when a device comes. */
@Injectable()
export class ConnectorsAtContact {
  constructor(private readonly connectors: Connectors) {}

  /** @throws Refusal `connector-unknown` */
  async require(name: ConnectorName): Promise<ConnectorDocument> {
    const { byName } = await this.connectors.inForce();
    const connector = byName.get(name);
    if (connector === undefined) throw new Refusal('connector-unknown');
    return connector;
  }
}
