import { Controller } from '@nestjs/common';
import { RpcHandler } from '@sallyport/mqtt';
import { canonicalDeviceId, type IdentityRevocation, revokeIdentities } from '@sallyport/protocol';
import { Revocation } from './revocation.js';

/** Revokes the certificates of a device that the registry says was given up. */
@Controller()
export class IdentityRevocationResponder {
  constructor(private readonly revocation: Revocation) {}

  @RpcHandler(revokeIdentities)
  async revoke({ deviceId, releasedAt, actor }: IdentityRevocation) {
    const issuedUntil = new Date(releasedAt);
    return { revoked: await this.revocation.revokeDevice(canonicalDeviceId(deviceId), { issuedUntil, actor }) };
  }
}
