import { type DeviceId, deviceId } from '@sallyport/protocol';
import type { KeyReference } from './key-names.js';
import type { Resolution } from './resolution.js';
import type { DeviceIdReader } from './settings.js';

/**
 * The device id in force for `device.id`, or for `c8y.device.id` in a profile; undefined when nobody knows one.
 *
 * An explicit id has priority over a certificate, as in the mapper of thin-edge.io (its older global reader did the
 * opposite). So a file that another user may write never replaces what an administrator typed. The id for a cloud is
 * `device.id`, unless the cloud has its own.
 */
export async function deviceIdInForce(
  resolution: Resolution,
  reference: KeyReference,
  readDeviceId: DeviceIdReader,
): Promise<DeviceId | undefined> {
  const settings: KeyReference[] = [reference, { key: 'device.id' }];
  const configured = settings.map((setting) => resolution.resolve(setting).value).find((id) => id !== undefined);
  if (configured !== undefined) return deviceId.safeParse(configured).data;
  for (const path of certificatePaths(resolution, reference)) {
    const { data: id } = deviceId.safeParse(await readDeviceId(path));
    if (id !== undefined) return id;
  }
  return undefined;
}

function certificatePaths(resolution: Resolution, reference: KeyReference): Set<string> {
  const global: KeyReference = { key: 'device.cert_path' };
  const ofCloud: KeyReference[] =
    reference.key === 'c8y.device.id' ? [{ ...reference, key: 'c8y.device.cert_path' }] : [];
  return new Set([...ofCloud, global].map((path) => String(resolution.resolve(path).value)));
}
