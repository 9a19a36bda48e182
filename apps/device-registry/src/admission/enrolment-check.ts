import { Injectable } from '@nestjs/common';
import type { EnrolmentQuestion, RefusalReason } from '@sallyport/protocol';
import { Devices } from '../devices/devices.js';
import { RegistrySite } from '../site/registry-site.js';
import { isSameParty, isServiceName } from './admission-rules.js';

/** Says which names may get a certificate now. */
@Injectable()
export class EnrolmentCheck {
  constructor(
    private readonly devices: Devices,
    private readonly site: RegistrySite,
  ) {}

  /** @returns why not; undefined when a certificate may be issued */
  async refusalOf({ deviceId, kind, reinstate }: EnrolmentQuestion): Promise<RefusalReason | undefined> {
    const record = (await this.devices.find(deviceId))?.record;
    if (record === undefined) await this.site.requireKnown();
    if (record === undefined) return kind !== 'service' && isServiceName(deviceId) ? 'name-conflict' : undefined;
    if (!isSameParty({ deviceId, kind }, record)) return 'name-conflict';
    if (record.state === 'locked' || record.state === 'retired') return `device-${record.state}`;
    if (reinstate) return undefined;
    if (record.state === 'revoked') return 'device-revoked';
    return record.authority === 'site' ? undefined : 'name-conflict';
  }
}
