import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  type AuthorityId,
  type ClientCa,
  type ConnectorDocument,
  type DraftChange,
  printable,
} from '@sallyport/protocol';

/** One difference, and the Client CA whose devices it concerns. */
export interface DocumentChange extends DraftChange {
  readonly clientCa?: AuthorityId;
}

/** What differs between two versions of a connector, field by field, in the words of the page. */
export function documentChanges(before: ConnectorDocument, after: ConnectorDocument): DocumentChange[] {
  return [...settingsChanges(before, after), ...clientCaChanges(before, after)];
}

function settingsChanges(before: ConnectorDocument, after: ConnectorDocument): DocumentChange[] {
  return differences(withoutQuery(before.settings), withoutQuery(after.settings)).map(({ path, ...sides }) => ({
    path: `settings.${path}`,
    ...jsonOf(sides),
    text: `${path}: ${sentence(sides)}`,
  }));
}

/** A secret in the query of a hook must not get into the audit log. Its digest shows that it is another one. */
function withoutQuery({ hook, ...rest }: ConnectorDocument['settings']): object {
  if (hook === undefined) return rest;
  const { origin, pathname, search } = new URL(hook.url);
  const query = search === '' ? '' : `?(digest ${createHash('sha256').update(search).digest('hex').slice(0, 8)})`;
  return { ...rest, hook: { url: `${origin}${pathname}${query}` } };
}

function clientCaChanges(before: ConnectorDocument, after: ConnectorDocument): DocumentChange[] {
  const former = new Map(before.clientCas.map((each) => [each.id, each]));
  const present = new Map(after.clientCas.map((each) => [each.id, each]));
  const removed = before.clientCas.filter(({ id }) => !present.has(id)).map(removal);
  const others = after.clientCas.flatMap((each) => {
    const old = former.get(each.id);
    return old === undefined ? [addition(each)] : edits(old, each);
  });
  return [...removed, ...others];
}

function removal(old: ClientCa): DocumentChange {
  const text = `Client CA "${printable(old.label)}" removed: its devices are refused, and their connections end`;
  return { path: pathOf(old), before: JSON.stringify(summaryOf(old)), text, clientCa: old.id };
}

function addition(added: ClientCa): DocumentChange {
  const text = `Client CA "${printable(added.label)}" added`;
  return { path: pathOf(added), after: JSON.stringify(summaryOf(added)), text, clientCa: added.id };
}

function edits(before: ClientCa, after: ClientCa): DocumentChange[] {
  return differences(withoutDer(before), withoutDer(after)).map(({ path, ...sides }) => ({
    path: `${pathOf(after)}.${path}`,
    ...jsonOf(sides),
    text: `Client CA "${printable(after.label)}", ${path}: ${meaningOf(path, sides.after) ?? sentence(sides)}`,
    clientCa: after.id,
  }));
}

/** The three levers, in the words of what they do. */
function meaningOf(path: string, after: unknown): string | undefined {
  if (path === 'provision') return after === true ? 'new devices may come' : 'no new devices';
  if (path === 'login') return after === true ? 'devices may log in' : 'devices may not log in';
  if (path === 'sessions')
    return after === 'end'
      ? 'open connections end when logins are blocked'
      : 'open connections go on when logins are blocked';
  return undefined;
}

function pathOf({ id }: ClientCa): string {
  return `client-cas.${id}`;
}

function summaryOf({ label, certificates }: ClientCa): object {
  return { label, subject: certificates[0]?.subject, notAfter: certificates[0]?.notAfter };
}

function withoutDer({ certificates, ...rest }: ClientCa): object {
  return { ...rest, certificates: certificates.map(({ fingerprint, notAfter }) => ({ fingerprint, notAfter })) };
}

interface Sides {
  readonly before?: unknown;
  readonly after?: unknown;
}

/** The fields that differ, as far down as both sides have objects. */
function differences(
  before: object,
  after: object,
  path: readonly string[] = [],
): (Sides & { readonly path: string })[] {
  const [old, present] = [new Map(Object.entries(before)), new Map(Object.entries(after))];
  const names = [...new Set([...old.keys(), ...present.keys()])];
  return names.flatMap((name) => {
    const sides = { before: old.get(name), after: present.get(name) };
    if (isDeepStrictEqual(sides.before, sides.after)) return [];
    const place = [...path, name];
    if (isPlain(sides.before) && isPlain(sides.after)) return differences(sides.before, sides.after, place);
    return [{ path: place.join('.'), ...sides }];
  });
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function jsonOf({ before, after }: Sides): Pick<DraftChange, 'before' | 'after'> {
  return {
    ...(before === undefined ? {} : { before: JSON.stringify(before) }),
    ...(after === undefined ? {} : { after: JSON.stringify(after) }),
  };
}

function sentence({ before, after }: Sides): string {
  if (before === undefined) return `now ${short(after)}`;
  return after === undefined ? `no longer ${short(before)}` : `${short(after)} instead of ${short(before)}`;
}

function short(value: unknown): string {
  return printable(JSON.stringify(value) ?? '').slice(0, 80);
}
