import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { mainDevice } from '@sallyport/protocol';
import { ServiceContext } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { Entities } from './entities.js';
import { EntityPublications } from './entity-publications.js';

const deletedAtOnce = 500;

/** Puts the main device at the top. With `agent.entity_store.clean_start`, everything else is forgotten first. */
@Injectable()
export class MainDevice implements OnApplicationBootstrap {
  constructor(
    private readonly context: ServiceContext,
    private readonly store: Store,
    private readonly entities: Entities,
    private readonly publications: EntityPublications,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (this.context.settings.require('agent.entity_store.clean_start')) await this.forgetAll();
    await this.entities.change((tree) => {
      if (tree.has(mainDevice)) return { result: undefined };
      const main = { '@topic-id': mainDevice, '@type': 'device' as const };
      return { result: undefined, put: [main], operations: [this.publications.registration(main)] };
    });
  }

  /** What the broker has kept comes again. */
  private async forgetAll(): Promise<void> {
    const { log } = this.context;
    let count = 0;
    for await (const page of this.store.listPages('entities/', { pageSize: deletedAtOnce })) {
      await this.store.transaction(
        [],
        page.map(({ key }) => ({ delete: key })),
      );
      count += page.length;
    }
    log.info({ count }, 'entities forgotten, as agent.entity_store.clean_start says');
  }
}
