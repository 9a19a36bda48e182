import { BoundedMap } from '@sallyport/concurrency';
import type { DeviceEvent } from '@sallyport/protocol';

// An event has about 300 bytes; one with values of a device has more.
const mostEvents = 1000;

/** The newest events in the order in which they came, each once. */
export class EventRing {
  private readonly events = new BoundedMap<string, DeviceEvent>(mostEvents);

  /** @returns false for an event that is here already */
  add(event: DeviceEvent): boolean {
    if (this.events.get(event.id) !== undefined) return false;
    this.events.set(event.id, event);
    return true;
  }

  /** The events that came after one; undefined if that one is not here. */
  after(id: string): DeviceEvent[] | undefined {
    if (this.events.get(id) === undefined) return undefined;
    const all = [...this.events].map(([, event]) => event);
    return all.slice(all.findIndex((event) => event.id === id) + 1);
  }
}
