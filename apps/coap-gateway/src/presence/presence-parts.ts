import type { Provider } from '@nestjs/common';
import { Clock, FaultLog, Log, MqttSessions, ServiceContext } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import type { DeviceSession } from '../sessions/device-session.js';
import { SignedInDevices } from '../sessions/signed-in-devices.js';
import { SignedInSession } from '../sessions/signed-in-session.js';
import { ChangedDevices } from './changed-devices.js';
import { CoapDevicesController } from './coap-devices.controller.js';
import { DevicePresence } from './device-presence.js';
import { GatewayLease } from './gateway-lease.js';
import { PresenceRecords } from './presence-records.js';
import { SupersededSessions } from './superseded-sessions.js';

// Each renewal is a durable write, also on the memory card of a gateway.
const [ttlSeconds, renewMs] = [60, 20_000];

const lease: Provider = {
  provide: GatewayLease,
  useFactory: (store: Store, clock: Clock, { replica }: MqttSessions) =>
    new GatewayLease({ store, clock, replica, ttlSeconds }),
  inject: [Store, Clock, MqttSessions],
};

/** The sessions of this process are all made by `DeviceConnection`. */
function supersede(session: DeviceSession): void {
  if (session instanceof SignedInSession) session.end('superseded by a newer connection of the device');
}

const presence: Provider = {
  provide: DevicePresence,
  useFactory: (
    records: PresenceRecords,
    held: GatewayLease,
    sessions: SignedInDevices,
    ...[store, clock, log]: [Store, Clock, Log]
  ) => new DevicePresence({ records, lease: held, sessions, supersede, store, clock, log, renewMs }),
  inject: [PresenceRecords, GatewayLease, SignedInDevices, Store, Clock, Log],
};

const superseded: Provider = {
  provide: SupersededSessions,
  useFactory: (store: Store, sessions: SignedInDevices, { log, clock }: ServiceContext) => {
    const faults = new FaultLog(log, clock, 'sign-ins at other replicas are not heard, will try again');
    return new SupersededSessions({ store, sessions, supersede, onFault: faults.note });
  },
  inject: [Store, SignedInDevices, ServiceContext],
};

/** The wiring of presence, for the module of the gateway. It needs `SignedInDevices`. */
export const presenceParts = {
  controllers: [CoapDevicesController],
  providers: [lease, PresenceRecords, ChangedDevices, presence, superseded],
};
