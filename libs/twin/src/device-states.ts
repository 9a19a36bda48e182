import type { Store } from '@sallyport/store';
import { DeviceState } from './device-state.js';
import type { RetentionBounds } from './retention.js';
import { StateCache } from './state-cache.js';
import { parseStoredWrite } from './stored-write.js';

/** The key of the last snapshot of a device. */
export function stateKey(deviceId: string): string {
  return `state/${deviceId}`;
}

/** The series with the writes of a device. */
export function seriesKey(deviceId: string): string {
  return `writes/${deviceId}`;
}

/** Reads the states of devices, and keeps those used last. */
export class DeviceStates {
  private readonly cache: StateCache;

  constructor(
    private readonly store: Store,
    private readonly bounds: RetentionBounds,
    cacheBytes: number,
  ) {
    this.cache = new StateCache(cacheBytes);
  }

  /** The state in memory, if there is one. Another process may have written since. */
  cached(deviceId: string): DeviceState | undefined {
    return this.cache.get(deviceId);
  }

  /** The state with everything that is in the store now. */
  async read(deviceId: string): Promise<DeviceState> {
    const state = this.cache.get(deviceId) ?? (await this.fromSnapshot(deviceId));
    for (;;) {
      const items = await this.store.range(seriesKey(deviceId), { after: state.newest });
      if (items.length === 0) break;
      for (const { id, value } of items) state.apply(id, parseStoredWrite(value));
    }
    this.keep(deviceId, state);
    return state;
  }

  /** As `read`, but believes nothing that is in memory: the series may have been removed meanwhile. */
  readAgain(deviceId: string): Promise<DeviceState> {
    this.cache.delete(deviceId);
    return this.read(deviceId);
  }

  /** After the state has changed. */
  keep(deviceId: string, state: DeviceState): void {
    const cached = this.cache.get(deviceId);
    // Two callers may have read the device at once. The one that has read more stays.
    if (cached === undefined || cached === state || cached.newest <= state.newest) this.cache.set(deviceId, state);
  }

  private async fromSnapshot(deviceId: string): Promise<DeviceState> {
    const entry = await this.store.get(stateKey(deviceId));
    return entry === undefined ? new DeviceState(this.bounds) : DeviceState.fromSnapshot(entry.value, this.bounds);
  }
}
