import { Injectable } from '@nestjs/common';
import type { DeviceId, EnrolmentQuestion, PeerKind, RefusalReason } from '@sallyport/protocol';
import { DeviceLists } from '../devices/device-lists.js';
import { isUnvouched } from '../devices/device-record.js';
import { Devices } from '../devices/devices.js';
import { RegistrySite } from '../site/registry-site.js';
import { isSameParty, isServiceName } from './admission-rules.js';

/** Says which names may get a certificate now. */
@Injectable()
export class EnrolmentCheck {
  constructor(
    private readonly devices: Devices,
    private readonly lists: DeviceLists,
    private readonly site: RegistrySite,
  ) {}

  /** @returns why not; undefined when a certificate may be issued */
  async refusalOf({ deviceId, kind, reinstate }: EnrolmentQuestion): Promise<RefusalReason | undefined> {
    const record = (await this.devices.find(deviceId))?.record;
    if (record === undefined) await this.site.requireKnown();
    if (kind !== 'service' && (await this.lists.denialOf({ deviceId })) !== undefined) return 'identity-denied';
    if (record === undefined) return this.refusalOfNew(deviceId, kind);
    if (!isSameParty({ deviceId, kind }, record)) return 'name-conflict';
    if (record.state === 'locked' || record.state === 'retired') return `device-${record.state}`;
    if (reinstate) return undefined;
    if (record.state === 'revoked') return 'device-revoked';
    return record.authority === 'site' || isUnvouched(record) ? undefined : 'name-conflict';
  }

  private async refusalOfNew(deviceId: DeviceId, kind: PeerKind): Promise<RefusalReason | undefined> {
    if (kind === 'service') return undefined;
    if (isServiceName(deviceId)) return 'name-conflict';
    return (await this.lists.deletedNameOf({ deviceId })) === undefined ? undefined : 'device-deleted';
  }
}
