import type { AdminClient } from '@sallyport/admin-client';
import {
  type DeviceDescription,
  type DeviceId,
  Problem,
  type RefusalReason,
  refusals,
  registryRoutes,
} from '@sallyport/protocol';
import { ServiceUnreachable } from '../admin/service-unreachable.js';
import { Failure } from '../failure.js';

/** For whom a token is wanted. */
export interface TokenWish {
  readonly deviceId: DeviceId;
  readonly reinstate: boolean;
}

/**
 * Refuses to make a token with which nobody could enrol. The registry decides again when the token is used; if it does
 * not answer now, the token is made.
 *
 * @throws Failure: the device is locked, revoked or retired, or another one has nearly the same name
 */
export async function refuseUselessToken(registry: AdminClient, wish: TokenWish): Promise<void> {
  const device = await deviceOrNothing(registry, wish.deviceId);
  if (device === undefined) return;
  if (device.deviceId !== wish.deviceId)
    throw new Failure(
      `"${wish.deviceId}" and the device "${device.deviceId}" differ in upper and lower case only, and both cannot exist. No token was made.`,
      `Use the name "${device.deviceId}" for that device, or another name for a new one.`,
    );
  const reason = obstacleOf(device.state, wish.reinstate);
  if (reason === undefined) return;
  const { meaning, remedy } = refusals[reason];
  throw new Failure(
    `${meaning} A token would be of no use, so none was made.`,
    remedy.replaceAll('DEVICE', () => wish.deviceId),
  );
}

function obstacleOf(state: DeviceDescription['state'], reinstate: boolean): RefusalReason | undefined {
  if (state === 'locked' || state === 'retired') return `device-${state}`;
  return state === 'revoked' && !reinstate ? 'device-revoked' : undefined;
}

async function deviceOrNothing(registry: AdminClient, deviceId: DeviceId): Promise<DeviceDescription | undefined> {
  try {
    return await registry.call(registryRoutes.showDevice, { params: { id: deviceId } });
  } catch (fault) {
    if (fault instanceof ServiceUnreachable || (fault instanceof Problem && fault.type === 'not-found'))
      return undefined;
    throw fault;
  }
}
