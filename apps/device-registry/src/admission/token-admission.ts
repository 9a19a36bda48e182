import { Injectable } from '@nestjs/common';
import { type AdmissionDecision, ocfUuidOf, type RefusalReason, type TokenAdmissionRequest } from '@sallyport/protocol';
import { DeviceLists } from '../devices/device-lists.js';
import { Devices } from '../devices/devices.js';
import { RefusalRecorder } from './refusal-recorder.js';

/**
 * Answers whether a device with a token is admitted: one of OCF that somebody has signed up. Whether the token is that of
 * the owner, the gateway has checked. So a device comes for the first time by its sign-up, and never by a token alone.
 */
@Injectable()
export class TokenAdmission {
  constructor(
    private readonly devices: Devices,
    private readonly lists: DeviceLists,
    private readonly refusals: RefusalRecorder,
  ) {}

  async admit(request: TokenAdmissionRequest): Promise<AdmissionDecision> {
    const { deviceId, entrance, remoteAddress } = request;
    const reason = await this.refusalOf(request);
    if (reason === undefined) return { outcome: 'admitted', deviceId, kind: 'device' };
    await this.refusals.note({ reason, entrance, remoteAddress, deviceId });
    return { outcome: 'refused', reason };
  }

  private async refusalOf({ deviceId }: TokenAdmissionRequest): Promise<RefusalReason | undefined> {
    if (ocfUuidOf(deviceId) === undefined) return 'token-not-accepted';
    const record = (await this.devices.find(deviceId))?.record;
    if (record?.owner === undefined || record.kind !== 'device') return 'token-not-accepted';
    if ((await this.lists.denialOf({ deviceId })) !== undefined) return 'identity-denied';
    return record.state === 'active' ? undefined : `device-${record.state}`;
  }
}
