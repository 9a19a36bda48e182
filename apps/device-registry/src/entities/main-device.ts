import { Injectable } from '@nestjs/common';
import { mainDevice } from '@sallyport/protocol';
import { ServiceContext } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { Entities } from './entities.js';
import { entityKey } from './entity-keys.js';
import { EntityPublications } from './entity-publications.js';
import { requireEntity } from './entity-rules.js';

const deletedAtOnce = 500;

/** Puts the main device at the top. With `agent.entity_store.clean_start`, everything else is forgotten first. */
@Injectable()
export class MainDevice {
  constructor(
    private readonly context: ServiceContext,
    private readonly store: Store,
    private readonly entities: Entities,
    private readonly publications: EntityPublications,
  ) {}

  async establish(): Promise<void> {
    if (this.context.settings.require('agent.entity_store.clean_start')) await this.forgetAll();
    // Of later starts, the broker has it; other processes of the main device may have added to it.
    if ((await this.store.get(entityKey(mainDevice))) === undefined) await this.announce();
  }

  /** Writes its registration to the broker again, as somebody has removed it there. */
  async announce(): Promise<void> {
    await this.entities.change((tree) => {
      const main = requireEntity(tree, mainDevice);
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
