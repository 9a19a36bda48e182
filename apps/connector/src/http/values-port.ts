import type { ConnectorName, ConnectorSettings, DeviceId } from '@sallyport/protocol';

/** A device that is connected, and by what rules. */
export interface DeviceContact {
  readonly deviceId: DeviceId;
  readonly connector: ConnectorName;
  readonly protocol: 'https' | 'mqtt';
  /** The network address of the device. */
  readonly address: string;
  /** The schema of the values. If it is empty, every value is kept. */
  readonly resources: ConnectorSettings['resources'];
}

export interface Point {
  readonly alias: string;
  readonly value: string;
  readonly atMicros: number;
}

/** What the device APIs do with values. */
export interface DeviceValuesPort {
  writeAll(contact: DeviceContact, values: ReadonlyMap<string, string>): Promise<number>;
  record(contact: DeviceContact, points: readonly Point[]): Promise<number>;
  read(contact: Pick<DeviceContact, 'deviceId'>, aliases: readonly string[]): Promise<ReadonlyMap<string, Point>>;
  longPoll(
    contact: Pick<DeviceContact, 'deviceId'>,
    alias: string,
    options: { readonly sinceMicros: number; readonly signal: AbortSignal },
  ): Promise<Point | undefined>;
}
