import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, hasCode } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { parseProfileName } from './cloud-names.js';
import { cloudOf, type KeyReference, pathsOf } from './key-names.js';
import { readSettingsText } from './settings-text.js';
import { parseToml, type TomlTable } from './toml.js';

/** A cloud, or one of its profiles. */
export interface CloudPlace {
  /** `c8y`, `az` or `aws`. */
  readonly cloud: string;
  readonly profile: string | undefined;
}

/** The mapper.toml of a cloud or of one of its profiles, as text: where thin-edge.io 2 has the settings of clouds. */
export interface CloudFile extends CloudPlace {
  /** Its path in the configuration directory, such as `mappers/c8y.plant2/mapper.toml`. */
  readonly name: string;
  readonly text: string;
}

/** The same, parsed. */
export interface CloudTable extends CloudPlace {
  readonly name: string;
  readonly table: TomlTable;
}

/** The key by which thin-edge.io marks the mapper.toml of a cloud. */
export const cloudTypeKey = 'cloud_type';

// A device has a profile or two.
const mostFiles = 64;

/**
 * Reads the mapper.toml of each cloud and profile. Other folders are mappers of the site, which have no settings of ours.
 *
 * @throws Problem `config-invalid`: the folder or a file cannot be read, or there are more than 64
 */
export async function readCloudFiles(directory: string): Promise<CloudFile[]> {
  const places = (await mapperFolders(directory)).flatMap((folder) => cloudPlaceOf(folder) ?? []);
  const read = await Promise.all(
    places.map(async (place) => {
      const name = cloudFileName(place);
      const text = await readSettingsText(directory, name);
      return text === undefined ? [] : [{ ...place, name, text }];
    }),
  );
  const files = read.flat();
  if (files.length <= mostFiles) return files;
  throw new Problem('config-invalid', `mappers has ${files.length} mapper.toml of clouds; ${mostFiles} may be used.`);
}

async function mapperFolders(directory: string): Promise<string[]> {
  try {
    return (await readdir(join(directory, 'mappers'))).toSorted();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    // Nobody knows which settings are in it. If it counted as empty, the device would take others.
    const reason = `mappers cannot be read (${errorCode(error)}). Check its permissions.`;
    throw new Problem('config-invalid', reason, { cause: error });
  }
}

/** `c8y` is the folder of the cloud, `c8y.plant2` that of a profile. */
function cloudPlaceOf(folder: string): CloudPlace | undefined {
  const [cloud = '', profile, ...rest] = folder.split('.');
  if (cloudOf(`${cloud}.`) === undefined || rest.length > 0) return undefined;
  return profile === undefined || parseProfileName(profile) === profile ? { cloud, profile } : undefined;
}

/** Path in the configuration directory. */
function cloudFileName({ cloud, profile }: CloudPlace): string {
  return join('mappers', profile === undefined ? cloud : `${cloud}.${profile}`, 'mapper.toml');
}

/** @throws Problem `config-invalid`: a file is not valid TOML */
export function parseCloudFiles(files: readonly CloudFile[]): CloudTable[] {
  return files.map(({ text, ...place }) => ({ ...place, table: parseToml(text, place.name) }));
}

/**
 * The file that a change of a cloud key goes to: the mapper.toml of its cloud and profile, which may not be there yet.
 *
 * @param legacy what tedge.toml says: if it has settings of clouds, a cloud without a mapper.toml has its settings there
 * @returns undefined: the key is of no cloud, or its cloud has its settings in tedge.toml
 */
export function cloudFileFor(
  { key, profile }: KeyReference,
  files: readonly CloudFile[],
  legacy: TomlTable,
): CloudFile | undefined {
  const cloud = cloudOf(key);
  if (cloud === undefined) return undefined;
  const isMoved = files.some((file) => file.cloud === cloud);
  if (!isMoved && Object.keys(legacy).some((name) => cloudOf(`${name}.`) !== undefined)) return undefined;
  const present = files.find((file) => file.cloud === cloud && file.profile === profile);
  const place = { cloud, profile };
  return present ?? { ...place, name: cloudFileName(place), text: `${cloudTypeKey} = ${JSON.stringify(cloud)}\n` };
}

/** Paths of a key in the mapper.toml of its cloud: without the name of the cloud. Its present name comes first. */
export function cloudPathsOf({ key }: KeyReference): string[][] {
  const cloud = cloudOf(key);
  return pathsOf({ key }).flatMap(([first, ...path]) => (first === cloud && path.length > 0 ? [path] : []));
}

/** True for a mapper.toml that says nothing but which cloud it is for. */
export function isEmptyCloudTable(table: TomlTable): boolean {
  return Object.keys(table).every((key) => key === cloudTypeKey);
}
