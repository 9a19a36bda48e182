import { Injectable } from '@nestjs/common';
import { Authorization } from '../authorization/authorization.js';
import { AttemptLimit } from './attempt-limit.js';
import { DeviceOwners } from './device-owners.js';
import { SessionPresence } from './session-presence.js';
import { SignedInDevices } from './signed-in-devices.js';
import { SignedInWork } from './signed-in-work.js';

/** What the sessions are made of. */
@Injectable()
export class SessionDependencies {
  constructor(
    private readonly authorization: Authorization,
    private readonly owners: DeviceOwners,
    private readonly devices: SignedInDevices,
    private readonly work: SignedInWork,
    private readonly presence: SessionPresence,
    private readonly attempts: AttemptLimit,
  ) {}

  get all() {
    const { authorization, owners, devices, work, presence, attempts } = this;
    return { authorization, owners, devices, work, presence, attempts };
  }
}
