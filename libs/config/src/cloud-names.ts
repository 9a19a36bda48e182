/** The clouds that have settings in the settings files, and profiles. Every other name is a user-defined mapper. */
export const builtInClouds = ['c8y', 'az', 'aws'] as const;

export type BuiltInCloud = (typeof builtInClouds)[number];

/** What a cloud speaks. `custom` is any MQTT broker. */
export type CloudKind = BuiltInCloud | 'custom';

/** The parts of a connection's name. */
export interface CloudName {
  /** As in `cloud.connections`: `c8y`, `c8y@plant2`, or the name of a user-defined mapper. */
  readonly name: string;
  readonly kind: CloudKind;
  /** Only clouds of the settings files have profiles. */
  readonly profile: string | undefined;
}

// A settings file with one of these for a key is refused as hostile.
const unsafeNames = new Set(['__proto__', 'constructor']);

/**
 * Reads the name of a cloud connection: `c8y`, `az` and `aws`, each also with a profile (`c8y@plant2`), or the name of a
 * user-defined mapper: lower-case letters, digits, `-` and `_`, the first a letter or digit, at most 64. It is part of
 * MQTT topics, client ids and file names.
 *
 * @returns undefined: it is no such name
 */
export function readCloudName(text: string): CloudName | undefined {
  const [, cloud = '', suffix] = /^([a-z0-9][a-z0-9_-]{0,63})(?:@(.{1,64}))?$/.exec(text) ?? [];
  if (cloud === '' || unsafeNames.has(cloud)) return undefined;
  const kind = builtInClouds.find((known) => known === cloud) ?? 'custom';
  if (suffix === undefined) return { name: cloud, kind, profile: undefined };
  const profile = kind === 'custom' ? undefined : parseProfileName(suffix);
  return profile === undefined ? undefined : { name: `${cloud}@${profile}`, kind, profile };
}

/**
 * The profile a person named, in lower case; undefined when it is no profile name: letters, digits, `-` and `_`, with
 * at least one letter or digit, up to 64 characters.
 */
export function parseProfileName(text: string): string | undefined {
  const name = text.toLowerCase();
  const isName = /^[a-z0-9_-]*[a-z0-9][a-z0-9_-]*$/.test(name) && name.length <= 64;
  return isName && !unsafeNames.has(name) ? name : undefined;
}
