import { type DeviceEvent, deviceEvent } from '@sallyport/protocol';
import { RawMqtt, type RawMqttTarget } from '@sallyport/testkit';

/** The distinct events of one device in the order in which each came first. */
export interface DeviceAccount {
  readonly events: readonly DeviceEvent[];
  /** How many distinct events say that the device wrote a number. */
  readonly writesOf: ReadonlyMap<number, number>;
}

/** A subscriber with a durable session that keeps account of the events of all devices. */
export class EventLedger {
  private readonly eventsByDevice = new Map<string, DeviceEvent[]>();
  private readonly ids = new Set<string>();
  private client: RawMqtt | undefined;

  constructor(private readonly target: RawMqttTarget) {}

  /** Connects, and subscribes: the first time, and when the session was lost. */
  async connect(): Promise<void> {
    const onMessage = ({ payload }: { payload: Buffer }) =>
      this.take(deviceEvent.parse(JSON.parse(payload.toString())));
    const session = { clientId: 'event-ledger', isClean: false, keepAliveSeconds: 60 };
    this.client = await RawMqtt.open(this.target, session, { onMessage });
    if (!this.client.isSessionPresent) await this.client.subscribe('sallyport/events/#', 1);
  }

  async disconnect(): Promise<void> {
    await this.client?.disconnect();
  }

  of(device: string): DeviceAccount {
    const events = this.eventsByDevice.get(device) ?? [];
    return { events, writesOf: writesIn(events) };
  }

  private take(event: DeviceEvent): void {
    // At least once: a receiver drops duplicates by the id.
    if (this.ids.has(event.id)) return;
    this.ids.add(event.id);
    const events = this.eventsByDevice.get(event.device) ?? [];
    events.push(event);
    this.eventsByDevice.set(event.device, events);
  }
}

/** How many of these events say that the device wrote each number. */
export function writesIn(events: readonly DeviceEvent[]): ReadonlyMap<number, number> {
  const writes = new Map<number, number>();
  for (const { type, payload } of events) {
    if (type !== 'data_in') continue;
    const number = Number(numberIn(payload?.['values']));
    writes.set(number, (writes.get(number) ?? 0) + 1);
  }
  return writes;
}

function numberIn(values: unknown): unknown {
  return typeof values === 'object' && values !== null && 'n' in values ? values.n : undefined;
}
