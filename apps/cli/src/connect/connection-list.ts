import { cloudConnections } from '@sallyport/cloud';
import type { Settings } from '@sallyport/config';
import { Failure } from '../failure.js';
import type { Site } from '../site/site.js';

const key = 'cloud.connections';

/** Whether this device is connected to a cloud, as the settings say. */
export function isConnected(settings: Settings, name: string): boolean {
  return cloudConnections(settings).includes(name);
}

/** Adds a connection to the settings. */
export async function addConnection({ settingsFile }: Site, name: string): Promise<void> {
  await settingsFile.add({ key }, name);
}

/** Removes a connection from the settings. */
export async function removeConnection({ settingsFile }: Site, name: string): Promise<void> {
  await settingsFile.remove({ key }, name);
}

/** @throws Failure: the environment lists the connections, so a change of the settings file would have no effect */
export function requireListInFile(settings: Settings): void {
  if (settings.source(key) !== 'env') return;
  throw new Failure(
    'The environment variable TEDGE_CLOUD_CONNECTIONS says which clouds this device is connected to, and beats the settings file.',
    'Change the variable for the services, or remove it.',
  );
}
