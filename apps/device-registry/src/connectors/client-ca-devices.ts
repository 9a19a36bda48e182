import { Injectable } from '@nestjs/common';
import type { AuthorityId, ClientCaDescription, ConnectorName } from '@sallyport/protocol';
import { DeviceDirectory } from '../devices/index/device-directory.js';

/** The devices that Client CAs vouch for. */
@Injectable()
export class ClientCaDevices {
  constructor(private readonly directory: DeviceDirectory) {}

  /**
   * How many devices of a connector belong to a CA.
   *
   * @throws Problem `unavailable`: the devices are still being read after a start
   */
  async count(connector: ConnectorName, authority: AuthorityId): Promise<ClientCaDescription['devices']> {
    const [total, active] = await Promise.all([
      this.directory.count({ connector, authority }),
      this.directory.count({ connector, authority, state: 'active' }),
    ]);
    return { total, active };
  }
}
