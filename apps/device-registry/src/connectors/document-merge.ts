import { isDeepStrictEqual } from 'node:util';
import { type ConnectorDocument, connectorDocument, Problem } from '@sallyport/protocol';

/**
 * Puts the changes from `base` to `edited` onto `current`. A section of the settings and a Client CA are each changed as
 * a whole.
 *
 * @throws Problem `conflict`: both sides changed one of them in different ways; names it
 */
export function mergedDocument(
  base: ConnectorDocument,
  edited: ConnectorDocument,
  current: ConnectorDocument,
): ConnectorDocument {
  const settings = mergedParts(
    { base: sectionsOf(base), edited: sectionsOf(edited), current: sectionsOf(current) },
    (section) => `the settings "${section}"`,
  );
  const clientCas = mergedParts(
    { base: authoritiesOf(base), edited: authoritiesOf(edited), current: authoritiesOf(current) },
    (id) => `the Client CA ${id}`,
  );
  return connectorDocument.parse({
    ...current,
    settings: Object.fromEntries(settings),
    clientCas: [...clientCas.values()],
  });
}

interface Sides {
  readonly base: ReadonlyMap<string, unknown>;
  readonly edited: ReadonlyMap<string, unknown>;
  readonly current: ReadonlyMap<string, unknown>;
}

function mergedParts({ base, edited, current }: Sides, nameOf: (key: string) => string): Map<string, unknown> {
  const merged = new Map<string, unknown>();
  for (const key of new Set([...current.keys(), ...edited.keys()])) {
    const [old, mine, theirs] = [base.get(key), edited.get(key), current.get(key)];
    const isMineOnly = isDeepStrictEqual(old, theirs);
    if (!isMineOnly && !isDeepStrictEqual(old, mine) && !isDeepStrictEqual(mine, theirs)) throw clash(nameOf(key));
    const value = isMineOnly ? mine : theirs;
    if (value !== undefined) merged.set(key, value);
  }
  return merged;
}

function clash(what: string): Problem {
  return new Problem(
    'conflict',
    `You and somebody else changed ${what} in different ways. Discard the draft, and make your change again.`,
  );
}

function sectionsOf({ settings }: ConnectorDocument): Map<string, unknown> {
  return new Map(Object.entries(settings));
}

function authoritiesOf({ clientCas }: ConnectorDocument): Map<string, unknown> {
  return new Map(clientCas.map((each) => [each.id, each]));
}
