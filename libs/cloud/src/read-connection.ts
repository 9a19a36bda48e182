import { join } from 'node:path';
import type { Settings } from '@sallyport/config';
import { builtInConnection } from './built-in-connection.js';
import type { CloudConnection } from './cloud-connection.js';
import { parseCloudName } from './cloud-name.js';
import { mapperConnection } from './mapper-connection.js';

/**
 * What the settings say about one cloud connection. It opens no connection.
 *
 * @param name as in `cloud.connections`; it need not be listed there
 * @throws Problem `invalid-request`: the name is none
 * @throws Problem `config-invalid`: a setting is missing or wrong, each with its name and the command to set it; a key in
 *   a hardware module (PKCS#11) is one
 * @throws Problem `not-found`: there is no such profile, or no such user-defined mapper
 */
export function cloudConnection(settings: Settings, name: string): Promise<CloudConnection> {
  const cloud = parseCloudName(name);
  const directory = join(settings.directory, 'mappers', cloud.name.replace('@', '.'));
  return cloud.kind === 'custom'
    ? mapperConnection(settings, { name: cloud.name, directory })
    : builtInConnection(settings, { name: cloud.name, kind: cloud.kind, profile: cloud.profile, directory });
}
