import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Entrances } from '@sallyport/entrance';

/** Opens an entrance for each connection to Cumulocity, as the settings say. */
@Injectable()
export class ProxyEntrances implements OnApplicationBootstrap {
  constructor(private readonly entrances: Entrances) {}

  /** @throws Problem `config-invalid`: an address cannot be bound, or the files of `c8y.proxy.*` do not belong together */
  async onApplicationBootstrap(): Promise<void> {
    await this.entrances.openForConnections('c8y.proxy', () => ({
      handler: { httpStream: ({ socket }) => socket.end() },
    }));
  }
}
