import { type CloudName, readCloudName, type Settings } from '@sallyport/config';
import { Problem } from '@sallyport/protocol';

/**
 * Reads the name of a cloud connection, such as `c8y@plant2`; see `readCloudName`.
 *
 * @throws Problem `invalid-request`: it is no such name
 */
export function parseCloudName(text: string): CloudName {
  const name = readCloudName(text);
  if (name !== undefined) return name;
  throw new Problem(
    'invalid-request',
    `"${text.slice(0, 200)}" is no name of a cloud connection. Write c8y, az or aws, one of them with a profile (c8y@plant2), or the name of a user-defined mapper (lower-case letters, digits, - and _).`,
  );
}

/** The clouds this device is connected to, as `cloud.connections` lists them: sorted, each once. */
export function cloudConnections(settings: Settings): readonly string[] {
  return [...new Set(settings.require('cloud.connections'))].toSorted();
}
