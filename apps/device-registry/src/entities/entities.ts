import { Injectable } from '@nestjs/common';
import { SerialQueue } from '@sallyport/concurrency';
import { type Entity, entity, mainDevice, Problem, type TopicId } from '@sallyport/protocol';
import { type Compare, type Operation, Store } from '@sallyport/store';
import { entityKey, entityPrefix, treeKey } from './entity-keys.js';
import { EntityTree } from './entity-tree.js';

/** The top of every tree. */
const mainEntity: Entity = { '@topic-id': mainDevice, '@type': 'device' };

const mostTries = 20;

/** One change of entities and what is stored with them; all of it or nothing is written. */
export interface EntityChange<Result> {
  readonly result: Result;
  /** Entities that are new or have other fields. */
  readonly put?: readonly Entity[];
  readonly removed?: readonly TopicId[];
  readonly compares?: readonly Compare[];
  readonly operations?: readonly Operation[];
}

/** @returns the result, and what must be written for it to be true, if anything */
export type DecideEntityChange<Result> = (tree: EntityTree) => EntityChange<Result> | Promise<EntityChange<Result>>;

interface Snapshot {
  readonly tree: EntityTree;
  /** Of the key that every change of the tree writes; 0 before the first one. */
  readonly revision: number;
}

/**
 * The entities in the store, one key each, and all of them in memory. A read costs one look at the key `tree`, which
 * says whether another replica has changed them.
 */
@Injectable()
export class Entities {
  private readonly changes = new SerialQueue();
  private snapshot: Snapshot | undefined;
  private loading: Promise<Snapshot> | undefined;

  constructor(private readonly store: Store) {}

  /** All entities now. It changes with the next change, so do not keep it over an `await`. */
  async current(): Promise<Snapshot> {
    const revision = (await this.store.get(treeKey))?.revision ?? 0;
    if (this.snapshot?.revision === revision) return this.snapshot;
    this.loading ??= this.load().finally(() => {
      this.loading = undefined;
    });
    return this.loading;
  }

  /** Whether an entity was there the last time anybody looked. Costs nothing, so it may be asked for each message. */
  isKnown(id: TopicId): boolean {
    return this.snapshot?.tree.has(id) === true;
  }

  /**
   * Reads, decides and writes, one change after the other. If another replica changed the entities in between, it tries
   * again.
   *
   * @throws Problem as `decide` does; `unavailable`: changed by others all the time
   */
  change<Result>(decide: DecideEntityChange<Result>): Promise<Result> {
    return this.changes.run(async () => {
      for (let tries = 0; tries < mostTries; tries += 1) {
        const snapshot = await this.current();
        const change = await decide(snapshot.tree);
        if (await this.commit(snapshot, change)) return change.result;
      }
      throw new Problem('unavailable', 'The entities are being changed by somebody else. Try again.', {
        retryAfterSeconds: 1,
      });
    });
  }

  /** False if another change came first; nothing is written then. */
  private async commit(snapshot: Snapshot, change: EntityChange<unknown>): Promise<boolean> {
    const { put = [], removed = [], compares = [], operations = [] } = change;
    const changesTree = put.length > 0 || removed.length > 0;
    if (!changesTree && operations.length === 0) return true;
    const outcome = await this.store.transaction(
      [{ key: treeKey, revision: snapshot.revision }, ...compares],
      [
        ...put.map((each) => ({ put: entityKey(each['@topic-id']), value: each })),
        ...removed.map((id) => ({ delete: entityKey(id) })),
        ...operations,
        // The last one, so that the revision of the transaction is its revision.
        ...(changesTree ? [{ put: treeKey, value: snapshot.tree.size + put.length - removed.length }] : []),
      ],
    );
    if (outcome.committed && changesTree) this.apply(snapshot, change, outcome.revision);
    return outcome.committed;
  }

  private apply({ tree, revision: before }: Snapshot, change: EntityChange<unknown>, revision: number): void {
    // A read that came in between has loaded the change already.
    if (this.snapshot?.revision !== before) return;
    for (const each of change.put ?? []) tree.put(each);
    for (const id of change.removed ?? []) tree.delete(id);
    this.snapshot = { tree, revision };
  }

  /** Reads all entities, again if one changed meanwhile. */
  private async load(): Promise<Snapshot> {
    for (;;) {
      const before = (await this.store.get(treeKey))?.revision ?? 0;
      // Also before anything was stored.
      const tree = new EntityTree([mainEntity]);
      for await (const { value } of this.store.listAll(entityPrefix)) tree.put(entity.parse(value));
      const revision = (await this.store.get(treeKey))?.revision ?? 0;
      if (revision !== before) continue;
      this.snapshot = { tree, revision };
      return this.snapshot;
    }
  }
}
