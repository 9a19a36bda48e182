import { join } from 'node:path';
import { exists } from '@sallyport/files';
import { Problem, stateFolders } from '@sallyport/protocol';
import { quoted } from './shell-word.js';

/**
 * Fails if `state.path` names another directory while files of the state are still in the configuration directory. Without
 * its files, a site would look like one that was never founded and never secured.
 *
 * @throws Problem `config-invalid`: names the folders, and the command that moves them
 */
export async function requireStateMoved(configDirectory: string, stateDirectory: string): Promise<void> {
  if (configDirectory === stateDirectory) return;
  const folders = Object.values(stateFolders).map((name) => join(configDirectory, name));
  const found = await Promise.all(folders.map(exists));
  const left = folders.filter((_, index) => found[index]);
  if (left.length === 0) return;
  const [target, sources] = [quoted(stateDirectory), left.map(quoted).join(' ')];
  throw new Problem(
    'config-invalid',
    `state.path is ${stateDirectory}, but files of this site are still in ${configDirectory}. Stop the services and move them: mkdir -p ${target} && mv -nv ${sources} ${target}/. Or go back: sallyport config unset state.path`,
  );
}
