import { type DeviceChange, type DeviceId, Problem, serviceName } from '@sallyport/protocol';
import type { Store } from '@sallyport/store';

/** Remembers which services the registry has locked, for when the registry itself cannot be asked. */
export class ServiceLocks {
  constructor(private readonly store: Store) {}

  /** Follows the registry. */
  async follow({ deviceId, state }: Pick<DeviceChange, 'deviceId' | 'state'>): Promise<void> {
    if (!serviceName.safeParse(deviceId).success) return;
    const key = keyOf(deviceId);
    await this.store.transaction([], [state === 'active' ? { delete: key } : { put: key, value: state }]);
  }

  /**
   * @throws Problem `forbidden`: the service is locked, revoked or retired
   * @throws Problem `unavailable`: it is none of the services whose locks are remembered
   */
  async requireUnlocked(deviceId: DeviceId): Promise<void> {
    if (!serviceName.safeParse(deviceId).success)
      throw new Problem('unavailable', 'The device registry does not answer, so nothing is signed. Try again later.', {
        retryAfterSeconds: 10,
      });
    const entry = await this.store.get(keyOf(deviceId));
    if (entry === undefined) return;
    throw new Problem(
      'forbidden',
      `No certificate for "${deviceId}": it is ${String(entry.value)} in the device registry. To let it in again: sallyport device unlock ${deviceId}`,
    );
  }
}

function keyOf(deviceId: DeviceId): string {
  return `locked-service/${deviceId}`;
}
