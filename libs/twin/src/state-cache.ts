import type { DeviceState } from './device-state.js';

/** The states of the devices that were used last, in bounded memory. */
export class StateCache {
  private readonly states = new Map<string, { readonly state: DeviceState; bytes: number }>();
  private bytes = 0;

  /** @param mostBytes about how much memory the states take together */
  constructor(private readonly mostBytes: number) {}

  /** The state of a device; it becomes the one used last. */
  get(deviceId: string): DeviceState | undefined {
    const cached = this.states.get(deviceId);
    if (cached === undefined) return undefined;
    this.states.delete(deviceId);
    this.states.set(deviceId, cached);
    return cached.state;
  }

  /** Keeps a state, or counts again what it takes. */
  set(deviceId: string, state: DeviceState): void {
    this.delete(deviceId);
    const bytes = state.memoryBytes + deviceId.length * 2;
    this.states.set(deviceId, { state, bytes });
    this.bytes += bytes;
    for (const [oldest] of this.states) {
      if (this.bytes <= this.mostBytes) return;
      this.delete(oldest);
    }
  }

  delete(deviceId: string): void {
    this.bytes -= this.states.get(deviceId)?.bytes ?? 0;
    this.states.delete(deviceId);
  }
}
