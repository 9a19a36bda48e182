import { parseProfileName, type Settings } from '@sallyport/config';
import { Problem } from '@sallyport/protocol';

/** The clouds whose settings are in the settings files. Every other name is a user-defined mapper. */
export const builtInClouds = ['c8y', 'az', 'aws'] as const;

/** A cloud with settings in the settings files. */
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

/**
 * Reads the name of a cloud connection: `c8y`, `az` and `aws`, each also with a profile (`c8y@plant2`), or the name of a
 * user-defined mapper: lower-case letters, digits, `-` and `_`, the first a letter or digit, at most 64.
 *
 * @throws Problem `invalid-request`: it is no such name
 */
export function parseCloudName(name: string): CloudName {
  const [, cloud = '', suffix] = /^([a-z0-9][a-z0-9_-]{0,63})(?:@(.{1,64}))?$/.exec(name) ?? [];
  const kind = builtInClouds.find((known) => known === cloud) ?? 'custom';
  const profile = suffix === undefined ? undefined : parseProfileName(suffix);
  const isProfileWrong = suffix !== undefined && (kind === 'custom' || profile === undefined);
  if (cloud === '' || cloud === 'constructor' || isProfileWrong)
    throw new Problem(
      'invalid-request',
      `"${name.slice(0, 200)}" is no name of a cloud connection. Write c8y, az or aws, one of them with a profile (c8y@plant2), or the name of a user-defined mapper (lower-case letters, digits, - and _).`,
    );
  return { name: profile === undefined ? cloud : `${cloud}@${profile}`, kind, profile };
}

/** The clouds this device is connected to, as `cloud.connections` lists them: sorted, each once. */
export function cloudConnections(settings: Settings): readonly string[] {
  return [...new Set(settings.require('cloud.connections'))].toSorted();
}
