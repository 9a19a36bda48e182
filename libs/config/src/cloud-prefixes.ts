import { join } from 'node:path';
import { errorCode, namesIn, readTextIfPresent } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { z } from 'zod';
import { builtInClouds, readCloudName } from './cloud-names.js';
import type { Settings } from './settings.js';
import { parseToml } from './toml.js';
import { valueTypes } from './value-types.js';

const mapper = z.object({ bridge: z.object({ topic_prefix: valueTypes.topicPrefix.schema }) });

/**
 * First levels of the topics that are bridged: of the three clouds, of their profiles, and of the user-defined mappers
 * below `mappers/`, connected or not.
 */
export async function cloudPrefixes(settings: Settings): Promise<string[]> {
  const ofClouds = builtInClouds.flatMap((cloud) =>
    [undefined, ...settings.profilesOf(cloud)].map((profile) =>
      settings.ofProfile(profile).get(`${cloud}.bridge.topic_prefix`),
    ),
  );
  return [...new Set([...ofClouds, ...(await mapperPrefixes(settings))])];
}

async function mapperPrefixes({ directory }: Settings): Promise<string[]> {
  const folder = join(directory, 'mappers');
  const found = await unlessUnreadable(() => namesIn(folder), []);
  // The folders of profiles hold a dot.
  const names = found.filter((name) => readCloudName(name)?.kind === 'custom').toSorted();
  const prefixes = await Promise.all(names.map((name) => prefixOf(name, join(folder, name, 'mapper.toml'))));
  return prefixes.filter((prefix) => prefix !== undefined);
}

/** A file with faults is told by those who connect; until then its mapper has the prefix that it has by default. */
function prefixOf(name: string, path: string): Promise<string | undefined> {
  return unlessUnreadable(async () => {
    const text = await readTextIfPresent(path);
    if (text === undefined) return undefined;
    return mapper.safeParse(parseToml(text, path)).data?.bridge.topic_prefix ?? name;
  }, name);
}

async function unlessUnreadable<Result>(read: () => Promise<Result>, otherwise: Result): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Problem || errorCode(error) !== undefined) return otherwise;
    throw error;
  }
}
