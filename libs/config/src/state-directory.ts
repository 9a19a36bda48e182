import { join, sep } from 'node:path';
import { exists } from '@sallyport/files';
import { Problem, stateFolders } from '@sallyport/protocol';
import { type ConfigKey, configKeys } from './schema.js';
import type { Settings } from './settings.js';
import { commandToSet, quoted } from './shell-word.js';

/**
 * Fails if `state.path` names another directory while files of the state are still in the configuration directory, or while
 * settings name such files there. Without its files, a site would look like one that was never founded and never secured.
 *
 * @throws Problem `config-invalid`: names the folders, and the commands that move them and change the settings
 */
export async function requireStateMoved(settings: Settings): Promise<void> {
  const { directory, stateDirectory } = settings;
  if (directory === stateDirectory) return;
  const left = await foldersIn(directory);
  const there = await foldersIn(stateDirectory);
  const twice = left.filter((name) => there.includes(name));
  if (twice.length > 0) throw atBothPlaces(settings, twice);
  const changes = changesOfPaths(settings);
  if (left.length > 0) throw notMoved(settings, left, changes);
  if (changes.length > 0)
    throw new Problem(
      'config-invalid',
      `state.path is ${stateDirectory}, but settings name files in ${directory} that have moved there. Change the settings: ${changes.join(' && ')}`,
    );
}

async function foldersIn(directory: string): Promise<string[]> {
  const names = Object.values(stateFolders);
  const found = await Promise.all(names.map((name) => exists(join(directory, name))));
  return names.filter((_, index) => found[index]);
}

/** `mv` would not replace them, and nobody but the operator knows which are right. */
function atBothPlaces({ directory, stateDirectory }: Settings, names: readonly string[]): Problem {
  const each = names.map((name) => `${quoted(join(directory, name))} and ${quoted(join(stateDirectory, name))}`);
  return new Problem(
    'config-invalid',
    `state.path is ${stateDirectory}, but files of this site are at two places: ${each.join('; ')}. Stop the services, find out which are right, and move the others to a third place.`,
  );
}

function notMoved(
  { directory, stateDirectory }: Settings,
  names: readonly string[],
  changes: readonly string[],
): Problem {
  const target = quoted(stateDirectory);
  const sources = names.map((name) => quoted(join(directory, name))).join(' ');
  const commands = [`mkdir -p ${target}`, `mv -nv ${sources} ${target}/`, ...changes].join(' && ');
  // The long command stands last, so that nobody copies a full stop into its last path.
  return new Problem(
    'config-invalid',
    `state.path is ${stateDirectory}, but files of this site are still in ${directory}. Go back with: sallyport config unset state.path. Or stop the services and move them: ${commands}`,
  );
}

/** Commands that change each setting with a path in a folder of the state, such as `http.cert_path`. */
function changesOfPaths(settings: Settings): string[] {
  const { directory, stateDirectory } = settings;
  const folders = Object.values(stateFolders).map((name) => join(directory, name) + sep);
  return configKeys.flatMap((key) => {
    const path = pathGiven(settings, key);
    if (path === undefined || !folders.some((folder) => path.startsWith(folder))) return [];
    return [commandToSet(settings, key, join(stateDirectory, path.slice(directory.length)))];
  });
}

function pathGiven(settings: Settings, key: ConfigKey): string | undefined {
  const value = settings.source(key) === 'default' ? undefined : settings.get(key);
  return typeof value === 'string' ? value : undefined;
}
