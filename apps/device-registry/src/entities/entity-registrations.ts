import { Injectable } from '@nestjs/common';
import {
  type DeviceId,
  type Entity,
  type EntityFragments,
  type EntityRegistration,
  type EntityUpdate,
  mainDevice,
  Problem,
  type TopicId,
} from '@sallyport/protocol';
import { Entities, type EntityChange } from './entities.js';
import { EntityDocuments } from './entity-documents.js';
import { EntityPublications } from './entity-publications.js';
import { checkChanger, checkChosenParent, checkEntity, requireEntity, updated, withParent } from './entity-rules.js';
import type { EntityTree } from './entity-tree.js';

// Six keys each, of the thousand that a transaction may have.
const removedAtOnce = 100;

export interface Removal {
  /** In the order of their removal. */
  readonly removed: Entity[];
  readonly isComplete: boolean;
}

/** Registers, changes and removes entities. */
@Injectable()
export class EntityRegistrations {
  constructor(
    private readonly entities: Entities,
    private readonly documents: EntityDocuments,
    private readonly publications: EntityPublications,
  ) {}

  /** @throws Problem `conflict`, `forbidden`, `invalid-request`, `storage-full`, `too-large` */
  register({ entity, twin, changer }: EntityRegistration): Promise<void> {
    const id = entity['@topic-id'];
    return this.entities.change(async (tree) => {
      checkChanger(tree, changer, id);
      if (tree.has(id)) throw new Problem('conflict', `An entity with topic id: ${id} is already registered`);
      const placed = withParent(entity);
      checkChosenParent(tree, changer, placed['@parent']);
      checkEntity(tree, placed);
      const messages = [this.publications.registration(placed, withoutNull(twin))];
      return this.putWithTwin(placed, twin, messages);
    });
  }

  /**
   * Takes a registration that came over MQTT, where a second one changes the first.
   *
   * @param isRetained the broker had kept it, so a fragment that was written since must stay
   * @returns whether an entity was registered
   * @throws Problem `invalid-request`, `storage-full`, `too-large`
   */
  take({ entity, twin }: Pick<EntityRegistration, 'entity' | 'twin'>, isRetained: boolean): Promise<boolean> {
    return this.entities.change(async (tree) => {
      const before = tree.get(entity['@topic-id']);
      if (before !== undefined && before['@type'] !== entity['@type'])
        throw new Problem('invalid-request', `Updating the entity type of ${before['@topic-id']} is not supported`);
      const parent = before?.['@parent'];
      const placed = withParent(parent === undefined ? entity : { '@parent': parent, ...entity });
      checkEntity(tree, placed);
      const fragments = before !== undefined && isRetained ? {} : twin;
      const change = await this.putWithTwin(placed, fragments, []);
      const isNew = before === undefined;
      const isSame = before !== undefined && isSameEntity(before, placed);
      return { ...change, ...(isSame ? { put: [] } : {}), result: isNew };
    });
  }

  /** @throws Problem `invalid-request`, `storage-full`: such an entity cannot be registered now */
  async check(entity: Entity): Promise<void> {
    checkEntity((await this.entities.current()).tree, withParent(entity));
  }

  /** Registers an entity because of its first message, and says so on the broker. */
  async registerByMessage(entity: Entity, name: string): Promise<void> {
    await this.entities.change(async (tree): Promise<EntityChange<void>> => {
      if (tree.has(entity['@topic-id'])) return { result: undefined };
      const placed = withParent(entity);
      checkEntity(tree, placed);
      return this.putWithTwin(placed, { name }, [this.publications.registration(placed, { name })]);
    });
  }

  /** Says on the broker again where an entity is, if there is one. */
  announceRegistration(id: TopicId): Promise<void> {
    return this.entities.change((tree) => {
      const found = tree.get(id);
      return { result: undefined, operations: found === undefined ? [] : [this.publications.registration(found)] };
    });
  }

  /** Says on the broker again what is stored of an entity, if there is one. */
  announce(id: TopicId): Promise<void> {
    return this.entities.change(async (tree) => {
      const found = tree.get(id);
      if (found === undefined) return { result: undefined };
      const twin = await this.documents.read('twin', id);
      const messages = this.publications.fragments(id, Object.entries(twin));
      return { result: undefined, operations: [this.publications.registration(found), ...messages] };
    });
  }

  /** @throws Problem `not-found`, `forbidden`, `invalid-request` */
  update(update: EntityUpdate): Promise<Entity> {
    return this.entities.change((tree) => {
      const before = requireEntity(tree, update.topicId);
      checkChanger(tree, update.changer, update.topicId);
      checkChosenParent(tree, update.changer, update.parent ?? undefined);
      const after = updated(tree, before, update);
      if (isSameEntity(before, after)) return { result: before };
      return { result: after, put: [after], operations: [this.publications.registration(after)] };
    });
  }

  /**
   * Removes an entity and all below it, the lowest first, as many as one transaction takes.
   *
   * @throws Problem `forbidden`: the main device, or not below the changer
   */
  async remove(id: TopicId, changer?: DeviceId): Promise<Removal> {
    const removal = await this.entities.change((tree) => {
      if (id === mainDevice) throw new Problem('forbidden', `The main device ${mainDevice} can not be removed`);
      checkChanger(tree, changer, id);
      return this.removalFrom(tree, id);
    });
    for (const { '@topic-id': removed } of removal.removed) this.publications.removed(removed);
    return removal;
  }

  private async removalFrom(tree: EntityTree, id: TopicId): Promise<EntityChange<Removal>> {
    const subtree = tree.subtree(id);
    const removed = subtree.slice(-removedAtOnce).reverse();
    const result = { removed, isComplete: removed.length === subtree.length };
    if (removed.length === 0) return { result };
    const ids = removed.map((each) => each['@topic-id']);
    const { compares, operations } = await this.documents.removalSteps(ids);
    const messages = ids.map((each) => this.publications.removal(each));
    return { result, removed: ids, compares, operations: [...operations, ...messages] };
  }

  /** The fragments of a registration become the twin, and have messages of their own. */
  private async putWithTwin(
    entity: Entity,
    twin: EntityFragments,
    messages: NonNullable<EntityChange<void>['operations']>,
  ): Promise<EntityChange<void>> {
    const id = entity['@topic-id'];
    if (Object.keys(twin).length === 0) return { result: undefined, put: [entity], operations: messages };
    const { steps, changed } = await this.documents.twinSteps(id, twin, false);
    if (changed.length === 0) return { result: undefined, put: [entity], operations: messages };
    return {
      result: undefined,
      put: [entity],
      compares: steps.compares,
      operations: [...steps.operations, ...messages, ...this.publications.fragments(id, changed)],
    };
  }
}

function withoutNull(twin: EntityFragments): EntityFragments {
  return Object.fromEntries(Object.entries(twin).filter(([, value]) => value !== null));
}

/** Whether nothing of an entity differs. */
export function isSameEntity(one: Entity, other: Entity): boolean {
  return (['@parent', '@type', '@id', '@health'] as const).every((field) => one[field] === other[field]);
}
