import { Injectable } from '@nestjs/common';
import type { OcfUuid } from '@sallyport/protocol';
import type { DeviceSession } from './device-session.js';

/** The signed-in devices of this process. A device has one session: the newest. */
@Injectable()
export class SignedInDevices {
  private readonly sessions = new Map<OcfUuid, DeviceSession>();

  get all(): Iterable<DeviceSession> {
    return this.sessions.values();
  }

  find(device: OcfUuid): DeviceSession | undefined {
    return this.sessions.get(device);
  }

  /** @returns the session that it replaces */
  enter(session: DeviceSession): DeviceSession | undefined {
    const former = this.sessions.get(session.device);
    this.sessions.set(session.device, session);
    return former;
  }

  /** Does nothing when a newer session has taken its place. */
  leave(session: DeviceSession): void {
    if (this.sessions.get(session.device) === session) this.sessions.delete(session.device);
  }
}
