import type { DeviceSession } from './device-session.js';

/** Writes down which devices are online. The sessions know no more of it than this. Neither call waits or throws. */
export abstract class SessionPresence {
  abstract online(session: DeviceSession): void;
  /** Changes nothing when the device is online by a newer session. */
  abstract offline(session: DeviceSession): void;
}
