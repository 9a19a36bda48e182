import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { namesEntityTag } from '@sallyport/http';
import { type ConnectorDocument, type ConnectorName, connectorDocument, Problem } from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { type Entry, type Operation, Store } from '@sallyport/store';
import { z } from 'zod';
import { Connectors } from './connectors.js';
import { mergedDocument } from './document-merge.js';
import { checkDocument } from './document-rules.js';
import type { DraftRequest } from './draft-request.js';

/** The draft of one administrator, as it is stored or as it would begin. */
export interface Draft {
  readonly actor: string;
  /** The document it was begun on, and that one with the changes. */
  readonly base: ConnectorDocument;
  readonly document: ConnectorDocument;
  /** 0: nobody has changed anything yet. */
  readonly edits: number;
  readonly changedAt?: string;
  /** Revision of the store; 0: it is not stored. */
  readonly revision: number;
}

/** Whose draft of which connector. */
export interface DraftOwner {
  readonly name: ConnectorName;
  readonly actor: string;
}

const storedDraft = z.strictObject({
  actor: z.string(),
  document: connectorDocument,
  edits: z.int().positive(),
  changedAt: z.iso.datetime(),
});

const prefix = 'connector-draft/';
const basePrefix = 'connector-draft-base/';
/** A draft nobody touches for so long is dropped. */
const draftLifetimeSeconds = 30 * 86_400;

/**
 * Changes that are not in force yet. Each administrator has a draft of his own of each connector, so nobody saves what
 * somebody else has left half done.
 *
 * Keys: `connector-draft/<name>/<actor>` the draft, `connector-draft-base/<name>/<actor>` the document it began with.
 */
@Injectable()
export class ConnectorDrafts {
  constructor(
    private readonly store: Store,
    private readonly connectors: Connectors,
    private readonly clock: Clock,
  ) {}

  /** The draft; if there is none, an empty one on what is in force. @throws Problem `not-found`: no such connector */
  async open(owner: DraftOwner): Promise<Draft> {
    const { document: current } = await this.connectors.require(owner.name);
    const [entry, base] = await Promise.all([this.store.get(keyOf(owner)), this.store.get(baseKeyOf(owner))]);
    if (entry === undefined) return { actor: owner.actor, base: current, document: current, edits: 0, revision: 0 };
    const { data: stored, error } = storedDraft.safeParse(entry.value);
    const began = connectorDocument.safeParse(base?.value);
    if (stored !== undefined && began.success) return { ...stored, base: began.data, revision: entry.revision };
    throw new Problem('internal', `Your draft of connector "${owner.name}" is not readable. Discard it.`, {
      cause: error ?? began.error,
    });
  }

  /**
   * Changes a draft.
   *
   * @throws Problem `precondition-failed`: the draft is another one meanwhile
   * @throws Problem `invalid-request`, `too-large`: the changed document breaks a rule; the draft stays as it was
   */
  async change(asked: DraftRequest, edit: (document: ConnectorDocument) => ConnectorDocument): Promise<Draft> {
    const draft = await this.seen(asked);
    return this.write(asked, { ...draft, document: connectorDocument.parse(edit(draft.document)) });
  }

  /** Puts the changes onto what is in force now. @throws Problem `conflict`: both sides changed the same */
  async rebase(asked: DraftRequest): Promise<Draft> {
    const draft = await this.seen(asked);
    const { document: current } = await this.connectors.require(asked.name);
    if (draft.edits === 0 || current.version === draft.base.version) return draft;
    const document = mergedDocument(draft.base, draft.document, current);
    return this.write(asked, { ...draft, base: current, document });
  }

  async discard(asked: DraftRequest): Promise<void> {
    // Without a version even a draft that cannot be read any more is thrown away.
    if (asked.ifMatch !== undefined) await this.seen(asked);
    await this.connectors.require(asked.name);
    await this.store.transaction([], this.removal(asked));
  }

  /** The operations that forget a draft. */
  removal(owner: DraftOwner): Operation[] {
    return [{ delete: keyOf(owner) }, { delete: baseKeyOf(owner) }];
  }

  /** The condition that a draft is still as it was read. */
  unchanged(owner: DraftOwner, { revision }: Draft) {
    return { key: keyOf(owner), revision };
  }

  /** Who has a draft of a connector. */
  async openOnes(name: ConnectorName): Promise<{ actor: string; basedOn: number; changedAt: string }[]> {
    const { entries } = await this.store.list(`${prefix}${name}/`, { limit: 100 });
    return entries.flatMap(({ value }) => {
      const { data } = storedDraft.safeParse(value);
      return data === undefined
        ? []
        : [{ actor: data.actor, basedOn: data.document.version, changedAt: data.changedAt }];
    });
  }

  /** Everything that belongs to drafts of a connector. */
  async allOf(name: ConnectorName): Promise<Entry[]> {
    const lists = [prefix, basePrefix].map((each) => this.store.list(`${each}${name}/`, { limit: 400 }));
    return (await Promise.all(lists)).flatMap(({ entries }) => entries);
  }

  /** The draft, if it is the one the caller has seen. @throws Problem `precondition-failed` */
  private async seen(asked: DraftRequest): Promise<Draft> {
    const draft = await this.open(asked);
    checkVersion(asked.ifMatch, draft);
    return draft;
  }

  private async write(owner: DraftOwner, { base, document, edits, revision }: Draft): Promise<Draft> {
    checkDocument(document);
    const changedAt = this.clock.now().toISOString();
    // The version of the document says what the draft is based on.
    const value = { actor: owner.actor, document: { ...document, version: base.version }, edits: edits + 1, changedAt };
    const ttlSeconds = draftLifetimeSeconds;
    const { committed, revision: newest } = await this.store.transaction(
      [{ key: keyOf(owner), revision }],
      [
        { put: baseKeyOf(owner), value: base, ttlSeconds },
        { put: keyOf(owner), value, ttlSeconds },
      ],
    );
    if (!committed) throw overtaken();
    return { ...value, base, revision: newest };
  }
}

/** The version of a draft, as `If-Match` names it. */
export function draftTag({ base, edits }: Draft): string {
  return `"${base.version}.${edits}"`;
}

/** @throws Problem `precondition-failed` */
export function checkVersion(ifMatch: string | undefined, draft: Draft): void {
  if (ifMatch === undefined || ifMatch.trim() === '*') return;
  if (!namesEntityTag(ifMatch, draftTag(draft), 'strong')) throw overtaken();
}

function overtaken(): Problem {
  return new Problem(
    'precondition-failed',
    'Your draft has changed since you saw it, perhaps in another window. Look at it again: sallyport connector diff',
  );
}

// A name of an administrator may hold any character, and keys may not.
function placeOf({ name, actor }: DraftOwner): string {
  return `${name}/${createHash('sha256').update(actor).digest('hex')}`;
}

function keyOf(owner: DraftOwner): string {
  return `${prefix}${placeOf(owner)}`;
}

function baseKeyOf(owner: DraftOwner): string {
  return `${basePrefix}${placeOf(owner)}`;
}
