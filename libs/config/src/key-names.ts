import { builtInClouds, parseProfileName } from './cloud-names.js';
import { type ConfigKey, configKeys, describeKey, isConfigKey } from './schema.js';

/** A setting, or the same setting in one of several profiles of a cloud. */
export interface KeyReference {
  readonly key: ConfigKey;
  readonly profile?: string;
}

/** A reference and the old name somebody used for it. */
export interface NamedKey extends KeyReference {
  readonly deprecatedName?: string;
}

/** True for keys that `--profile` applies to. */
export function isProfiled(key: ConfigKey): boolean {
  return cloudOf(key) !== undefined;
}

/** The cloud a key belongs to; undefined for keys of no cloud. */
export function cloudOf(key: string): string | undefined {
  return builtInClouds.find((cloud) => key.startsWith(`${cloud}.`));
}

/** The name with dots: `http.bind.port`, or `c8y.profiles.plant2.url` for a key of a profile. */
export function nameOf({ key, profile }: KeyReference): string {
  const cloud = cloudOf(key) ?? '';
  return profile === undefined ? key : `${cloud}.profiles.${profile}.${key.slice(cloud.length + 1)}`;
}

/** The environment variable that overrides a key: `TEDGE_HTTP_BIND_PORT`. */
export function environmentNameOf(reference: KeyReference): string {
  return `TEDGE_${nameOf(reference).replaceAll('.', '_').toUpperCase()}`;
}

const allNames = configKeys.flatMap((key): [string, NamedKey][] => [
  ...describeKey(key).deprecatedNames.map((name): [string, NamedKey] => [name, { key, deprecatedName: name }]),
  ...describeKey(key).plgdNames.map((name): [string, NamedKey] => [name, { key }]),
  [key, { key }],
]);
const keyByFileName = new Map(allNames);
// Present names come after the old ones, so that they have priority where both are spelled alike on a command line.
const keyBySpelling = new Map([
  // Variables have no case, and the names of plgd have: TEDGE_APIS_COAP_TLS_CLIENTCERTIFICATEREQUIRED.
  ...configKeys.flatMap((key) => describeKey(key).plgdNames.map((name) => respelled([name.toLowerCase(), { key }]))),
  ...allNames.filter(([, named]) => named.deprecatedName !== undefined).map(respelled),
  ...allNames.filter(([, named]) => named.deprecatedName === undefined).map(respelled),
]);

function respelled([name, named]: [string, NamedKey]): [string, NamedKey] {
  return [spellingOf(name), named];
}

function spellingOf(name: string): string {
  return name.replaceAll(/[.-]/g, '_');
}

/**
 * The key a person means on a command line, where dots, underscores and dashes are interchangeable, old names are
 * understood, and a key of a profile may be written out (`c8y.profiles.NAME.url`). Undefined: there is no such key.
 */
export function findKey(text: string): NamedKey | undefined {
  return keyOfProfile(lowerCaseProfile(text.split('.'))) ?? keyBySpelling.get(spellingOf(text));
}

// The case of a profile's name does not matter, as with `--profile`.
function lowerCaseProfile(path: readonly string[]): string[] {
  return path.map((part, index) => (index === 2 ? part.toLowerCase() : part));
}

/** The key stored at a path of a settings file, old names included. */
export function keyAtPath(path: readonly string[]): NamedKey | undefined {
  if (path.some((part) => part.includes('.'))) return undefined;
  return keyOfProfile(path) ?? keyByFileName.get(path.join('.'));
}

function keyOfProfile(path: readonly string[]): NamedKey | undefined {
  const [cloud, profiles, profile = '', ...rest] = path;
  const key = `${cloud}.${rest.join('.')}`;
  if (profiles !== 'profiles' || parseProfileName(profile) !== profile || !isConfigKey(key)) return undefined;
  return isProfiled(key) ? { key, profile } : undefined;
}

/** True for paths of tables that hold settings somebody here reads: `http`, `http.bind`, `c8y.profiles`, `c8y.profiles.plant2.proxy`. */
export function isTableOfKeys(path: readonly string[]): boolean {
  const [cloud, profiles, , ...rest] = path;
  const isProfilePath = cloudOf(`${cloud}.`) !== undefined && profiles === 'profiles';
  if (isProfilePath && path.length <= 3) return true;
  const prefix = isProfilePath ? `${cloud}.${rest.join('.')}.` : `${path.join('.')}.`;
  return configKeys.some((key) => describeKey(key).isRead && key.startsWith(prefix));
}

/** Paths in a settings file where a key may be stored: its present name first, then its other ones. */
export function pathsOf(reference: KeyReference): string[][] {
  const { deprecatedNames, plgdNames } = describeKey(reference.key);
  const names = reference.profile === undefined ? [...deprecatedNames, ...plgdNames] : [];
  return [nameOf(reference), ...names].map((name) => name.split('.'));
}

/** The key an environment variable overrides; undefined when there is none. */
export function keyOfVariable(variable: string): NamedKey | undefined {
  const spelling = variable.replace(/^TEDGE_/, '').toLowerCase();
  return keyBySpelling.get(spelling) ?? profiledKeyOfVariable(spelling);
}

function profiledKeyOfVariable(spelling: string): NamedKey | undefined {
  const candidates = configKeys.flatMap((key) => {
    const cloud = cloudOf(key);
    const [prefix, suffix] = [`${cloud}_profiles_`, spellingOf(key.slice((cloud ?? '').length))];
    if (cloud === undefined || !spelling.startsWith(prefix) || !spelling.endsWith(suffix)) return [];
    const profile = parseProfileName(spelling.slice(prefix.length, -suffix.length));
    return profile === undefined ? [] : [{ key, profile }];
  });
  // `..._PROXY_BIND_PORT` ends in more than one key's name when profiles have odd names: the longest key wins.
  return candidates.toSorted((a, b) => b.key.length - a.key.length)[0];
}

/** Up to three keys that look like what a person typed, the most similar first. */
export function similarKeys(text: string): ConfigKey[] {
  const distances = configKeys.map((key) => ({ key, distance: editDistance(spellingOf(text), spellingOf(key)) }));
  const close = distances.filter(({ key, distance }) => distance <= key.length / 4);
  return close
    .toSorted((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ key }) => key);
}

/** Levenshtein distance, one row of the table at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, character] of [...from.slice(0, 100)].entries()) {
    const next = [index + 1];
    for (const [column, wanted] of [...to].entries()) {
      const replaced = (row[column] ?? 0) + (character === wanted ? 0 : 1);
      next.push(Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
