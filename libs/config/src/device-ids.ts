import { type DeviceId, deviceId } from '@sallyport/protocol';
import type { KeyReference } from './key-names.js';
import type { Resolution } from './resolution.js';
import type { DeviceIdReader } from './settings.js';

/**
 * The device id in force for `device.id`, or for `c8y.device.id` in a profile; undefined when nobody knows one.
 *
 * An explicit id wins over a certificate, as in thin-edge.io's mapper and against its older global reader: what an
 * administrator typed is never replaced by the content of a file somebody else may write. A cloud's id is `device.id`
 * unless it has one of its own.
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
