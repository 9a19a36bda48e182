import { Injectable } from '@nestjs/common';
import {
  type EntityFragments,
  type EntityJson,
  entityFragments,
  isTwinKey,
  Problem,
  type TopicId,
  type TwinChange,
} from '@sallyport/protocol';
import { type Compare, type JsonValue, type Operation, Store } from '@sallyport/store';
import { z } from 'zod';
import { Entities } from './entities.js';
import { documentKey, type EntityDocument, totalUsageKey, usageKey } from './entity-keys.js';
import { entityLimits, limitReached } from './entity-limits.js';
import { sorted } from './entity-messages.js';
import { EntityPublications } from './entity-publications.js';
import { checkChanger, requireEntity } from './entity-rules.js';
import { ownerOf } from './entity-tree.js';

const usage = z.strictObject({ bytes: z.int().min(0) });

/** What a transaction needs for a change of documents. */
export interface Steps {
  readonly compares: readonly Compare[];
  readonly operations: readonly Operation[];
}

interface StoredDocument {
  readonly fragments: EntityFragments;
  readonly revision: number;
  readonly bytes: number;
}

/** The digital twins of entities, and the settings they show. Sizes are counted for each device and in total. */
@Injectable()
export class EntityDocuments {
  constructor(
    private readonly store: Store,
    private readonly entities: Entities,
    private readonly publications: EntityPublications,
  ) {}

  /**
   * Reads a twin or the settings, or one member.
   *
   * @throws Problem `not-found`
   */
  async read(document: EntityDocument, id: TopicId, key?: string): Promise<EntityFragments> {
    requireEntity((await this.entities.current()).tree, id);
    const { fragments } = await this.find(document, id);
    if (key === undefined) return fragments;
    const found = Object.entries(fragments).find(([name]) => name === key);
    if (found === undefined) throw missing(document, id, key);
    return Object.fromEntries([found]);
  }

  /**
   * Changes a twin. Fragments that stay as they are get no message.
   *
   * @param source `broker`: the broker has the messages already
   * @throws Problem `not-found`, `forbidden`, `invalid-request`, `too-large`, `storage-full`
   */
  writeTwin(change: TwinChange, source: 'request' | 'broker'): Promise<void> {
    const { topicId: id, fragments, isWhole, changer } = change;
    return this.entities.change(async (tree) => {
      requireEntity(tree, id);
      checkChanger(tree, changer, id);
      const { steps, changed } = await this.twinSteps(id, fragments, isWhole);
      const messages = source === 'request' ? this.publications.fragments(id, changed) : [];
      return {
        result: undefined,
        compares: steps.compares,
        // Also without a change, the broker may have lost the message.
        operations: changed.length === 0 ? [] : [...steps.operations, ...messages],
      };
    });
  }

  /** Says on the broker again what a fragment of a twin is, if it has the entity. */
  announceFragment(id: TopicId, key: string): Promise<void> {
    return this.entities.change(async (tree) => {
      if (!tree.has(id)) return { result: undefined };
      const { fragments } = await this.find('twin', id);
      const value = new Map(Object.entries(fragments)).get(key);
      return { result: undefined, operations: this.publications.fragments(id, [[key, value]]) };
    });
  }

  /** Stores the settings that an entity shows; undefined: it shows none any more. */
  writeConfig(id: TopicId, config: EntityFragments | undefined): Promise<void> {
    return this.entities.change(async (tree) => {
      requireEntity(tree, id);
      const before = await this.find('config', id);
      const after = sorted(config ?? {});
      if (JSON.stringify(after) === JSON.stringify(before.fragments)) return { result: undefined };
      if (sizeOf(after) > entityLimits.configBytes)
        throw new Problem('too-large', `The settings of ${id} have more than ${entityLimits.configBytes} bytes.`);
      const steps = await this.documentSteps([{ document: 'config', id, before, after }]);
      return { result: undefined, ...steps };
    });
  }

  /** The steps that change a twin, and the fragments that change. For a transaction that does more. */
  async twinSteps(id: TopicId, fragments: EntityFragments, isWhole: boolean) {
    const before = await this.find('twin', id);
    const after = merged(isWhole ? {} : before.fragments, fragments);
    const changed = changesBetween(before.fragments, after);
    checkTwin(id, after);
    const steps = await this.documentSteps([{ document: 'twin', id, before, after }]);
    return { steps, changed };
  }

  /** The steps that remove all documents of entities. */
  async removalSteps(ids: readonly TopicId[]): Promise<Steps> {
    const documents = ids.flatMap((id) => [
      { document: 'twin' as const, id },
      { document: 'config' as const, id },
    ]);
    const found = await Promise.all(
      documents.map(async (each) => ({ ...each, before: await this.find(each.document, each.id), after: {} })),
    );
    return this.documentSteps(found.filter(({ before }) => before.revision > 0));
  }

  private async find(document: EntityDocument, id: TopicId): Promise<StoredDocument> {
    const entry = await this.store.get(documentKey(document, id));
    if (entry === undefined) return { fragments: {}, revision: 0, bytes: 0 };
    const fragments = entityFragments.parse(entry.value);
    return { fragments, revision: entry.revision, bytes: sizeOf(fragments) };
  }

  /** An empty document is not kept. */
  private async documentSteps(changes: readonly DocumentChange[]): Promise<Steps> {
    const growth = new Map<string, number>();
    for (const { id, before, after } of changes) {
      const owner = ownerOf(id);
      growth.set(owner, (growth.get(owner) ?? 0) + sizeOf(after) - before.bytes);
    }
    const counted = await this.usageSteps(growth);
    return {
      compares: [
        ...changes.map(({ document, id, before: { revision } }) => ({ key: documentKey(document, id), revision })),
        ...counted.compares,
      ],
      operations: [
        ...changes.map(({ document, id, after }) => stored(documentKey(document, id), after)),
        ...counted.operations,
      ],
    };
  }

  /** @throws Problem `storage-full` */
  private async usageSteps(growth: ReadonlyMap<string, number>): Promise<Steps> {
    const total = [...growth.values()].reduce((sum, each) => sum + each, 0);
    const counters = [
      ...[...growth].map(([owner, by]) => ({ key: usageKey(owner), by, limit: entityLimits.deviceBytes, of: owner })),
      { key: totalUsageKey, by: total, limit: entityLimits.bytes, of: 'this registry' },
    ].filter(({ by }) => by !== 0);
    const found = await Promise.all(counters.map(async (each) => ({ ...each, entry: await this.store.get(each.key) })));
    const after = found.map(({ entry, ...each }) => ({
      ...each,
      revision: entry?.revision ?? 0,
      bytes: Math.max(0, (entry === undefined ? 0 : usage.parse(entry.value).bytes) + each.by),
    }));
    for (const { by, bytes, limit, of } of after)
      if (by > 0 && bytes > limit)
        throw limitReached(`The twins of ${of} would have ${bytes} bytes; ${limit} are allowed.`);
    return {
      compares: after.map(({ key, revision }) => ({ key, revision })),
      operations: after.map(({ key, bytes }) => (bytes === 0 ? { delete: key } : { put: key, value: { bytes } })),
    };
  }
}

interface DocumentChange {
  readonly document: EntityDocument;
  readonly id: TopicId;
  readonly before: StoredDocument;
  readonly after: EntityFragments;
}

function stored(key: string, value: { [key: string]: JsonValue }): Operation {
  return Object.keys(value).length === 0 ? { delete: key } : { put: key, value };
}

/** Null removes a fragment. */
function merged(before: EntityFragments, changes: EntityFragments): EntityFragments {
  const after = new Map(Object.entries(before));
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) after.delete(key);
    else after.set(key, value);
  }
  return sorted(Object.fromEntries(after));
}

function changesBetween(before: EntityFragments, after: EntityFragments): [string, EntityJson | undefined][] {
  const [old, now] = [new Map(Object.entries(before)), new Map(Object.entries(after))];
  const gone = [...old.keys()].filter((key) => !now.has(key));
  const different = [...now].filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(old.get(key)));
  return [...gone.map((key): [string, undefined] => [key, undefined]), ...different];
}

/** @throws Problem `invalid-request`, `too-large` */
function checkTwin(id: TopicId, twin: EntityFragments): void {
  const keys = Object.keys(twin);
  const bad = keys.find((key) => !isTwinKey(key));
  if (bad !== undefined) throw invalidTwinKey(bad);
  if (keys.length > entityLimits.fragments)
    throw new Problem('too-large', `The twin of ${id} would have ${keys.length} fragments; it has at most 400.`);
  if (sizeOf(twin) > entityLimits.twinBytes)
    throw new Problem('too-large', `The twin of ${id} would have more than ${entityLimits.twinBytes} bytes of JSON.`);
}

function invalidTwinKey(key: string): Problem {
  return new Problem(
    'invalid-request',
    `Invalid twin key: '${key}'. Keys that are empty, containing '/' or starting with '@' are not allowed`,
  );
}

function missing(document: EntityDocument, id: TopicId, key: string): Problem {
  return document === 'twin'
    ? new Problem('not-found', `Entity twin data for entity: ${id} with fragment key: ${key} not found`)
    : new Problem('not-found', `Entity config for entity: ${id} with key: ${key} not found`);
}

function sizeOf(fragments: EntityFragments): number {
  return Object.keys(fragments).length === 0 ? 0 : Buffer.byteLength(JSON.stringify(fragments));
}
