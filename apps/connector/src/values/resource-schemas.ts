import { Injectable } from '@nestjs/common';
import { RpcClient } from '@sallyport/mqtt';
import { type ConnectorName, describeConnectors, Problem } from '@sallyport/protocol';
import type { Resources } from './resource-schema.js';

const deadlineMs = 5000;

/** The schemas of connectors, as the registry has them now. For administrators: devices use what the listener knows. */
@Injectable()
export class ResourceSchemas {
  constructor(private readonly rpc: RpcClient) {}

  /** @throws Problem `not-found`: there is no such connector. `unavailable`: the registry does not answer */
  async of(name: ConnectorName): Promise<Resources> {
    const { connectors } = await this.rpc.call(describeConnectors, {}, { deadlineMs });
    const connector = connectors.find((one) => one.name === name);
    if (connector !== undefined) return connector.settings.resources;
    throw new Problem('not-found', `There is no connector ${JSON.stringify(name)}. Name one that exists.`);
  }
}
