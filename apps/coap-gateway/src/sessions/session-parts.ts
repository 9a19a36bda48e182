import { AttemptLimit } from './attempt-limit.js';
import { CoapDeviceEntrance } from './coap-device-entrance.js';
import { DeviceOwners } from './device-owners.js';
import { SessionDependencies } from './session-dependencies.js';
import { SignedInDevices } from './signed-in-devices.js';
import { TimelineController } from './timeline.controller.js';

/** The wiring of connections and sessions, for the module of the gateway. */
export const sessionParts = {
  controllers: [TimelineController],
  providers: [
    DeviceOwners,
    SignedInDevices,
    { provide: AttemptLimit, useFactory: () => new AttemptLimit() },
    SessionDependencies,
    CoapDeviceEntrance,
  ],
};
