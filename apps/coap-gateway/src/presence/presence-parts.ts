import type { Provider } from '@nestjs/common';
import { Clock, Log, MqttSessions } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { SignedInDevices } from '../sessions/signed-in-devices.js';
import { CoapDevicesController } from './coap-devices.controller.js';
import { DevicePresence } from './device-presence.js';
import { GatewayLease } from './gateway-lease.js';
import { PresenceRecords } from './presence-records.js';

// Each renewal is a durable write, also on the memory card of a gateway.
const [ttlSeconds, renewMs] = [60, 20_000];

const lease: Provider = {
  provide: GatewayLease,
  useFactory: (store: Store, clock: Clock, { replica }: MqttSessions) =>
    new GatewayLease({ store, clock, replica, ttlSeconds }),
  inject: [Store, Clock, MqttSessions],
};

const presence: Provider = {
  provide: DevicePresence,
  useFactory: (
    records: PresenceRecords,
    held: GatewayLease,
    sessions: SignedInDevices,
    ...[store, clock, log]: [Store, Clock, Log]
  ) => new DevicePresence({ records, lease: held, sessions, store, clock, log, renewMs }),
  inject: [PresenceRecords, GatewayLease, SignedInDevices, Store, Clock, Log],
};

/** The wiring of presence, for the module of the gateway. It needs `SignedInDevices`. */
export const presenceParts = { controllers: [CoapDevicesController], providers: [lease, PresenceRecords, presence] };
