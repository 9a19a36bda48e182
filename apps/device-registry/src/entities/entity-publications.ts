import { Injectable } from '@nestjs/common';
import { type Entity, type EntityFragments, type EntityJson, type TopicId, topicId } from '@sallyport/protocol';
import { ServiceContext } from '@sallyport/runtime';
import { type Operation, Outbox, Store } from '@sallyport/store';
import { z } from 'zod';
import { outboxPrefix } from './entity-keys.js';
import { entityTopic, fragmentText, registrationText } from './entity-messages.js';

/** What waits to be said on the broker: a retained text, or that everything retained of a removed entity goes. */
export const publication = z.union([z.strictObject({ text: z.string() }), z.strictObject({ removed: topicId })]);
type Publication = z.infer<typeof publication>;

const waitingRow = z.object({ payload: publication });

/**
 * Records what has to be said on the broker about a change, in the transaction of the change. `EntityChannel` says it.
 */
@Injectable()
export class EntityPublications {
  readonly outbox: Outbox;
  private readonly root: string;
  private readonly clearing = new Set<TopicId>();

  constructor(context: ServiceContext, store: Store) {
    this.outbox = new Outbox(store, outboxPrefix);
    this.root = context.settings.require('mqtt.topic_root');
  }

  registration(entity: Entity, twin: EntityFragments = {}): Operation {
    return this.record(entityTopic(this.root, entity['@topic-id']), { text: registrationText(entity, twin) });
  }

  fragments(id: TopicId, changes: Iterable<readonly [string, EntityJson | undefined]>): Operation[] {
    return [...changes].map(([key, value]) =>
      this.record(`${entityTopic(this.root, id)}/twin/${key}`, { text: fragmentText(value) }),
    );
  }

  /** Whether what the broker keeps of a removed entity has still to go, so that it says nothing about a new one. */
  isClearing(id: TopicId): boolean {
    return this.clearing.has(id);
  }

  /** Remembers removals that an earlier run did not finish. */
  async resume(store: Store): Promise<void> {
    for await (const { value } of store.listAll(outboxPrefix)) {
      const waiting = waitingRow.safeParse(value).data?.payload;
      if (waiting !== undefined && 'removed' in waiting) this.clearing.add(waiting.removed);
    }
  }

  cleared(id: TopicId): void {
    this.clearing.delete(id);
  }

  /** Call it when a removal is stored. */
  removed(id: TopicId): void {
    this.clearing.add(id);
  }

  removal(id: TopicId): Operation {
    return this.record(entityTopic(this.root, id), { removed: id });
  }

  private record(topic: string, what: Publication): Operation {
    return this.outbox.record(topic, what);
  }
}
