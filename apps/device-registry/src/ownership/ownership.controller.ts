import { Controller } from '@nestjs/common';
import { RpcHandler } from '@sallyport/mqtt';
import { claimDevice, type DeviceId, listOwnedDevices, readOwner, releaseDevice } from '@sallyport/protocol';
import { type ClaimOutcome, type OwnerRequest, Ownership } from './ownership.js';

/** What the CoAP gateway asks about owners (RPC over MQTT). */
@Controller()
export class OwnershipController {
  constructor(private readonly ownership: Ownership) {}

  @RpcHandler(claimDevice)
  async claim(request: OwnerRequest): Promise<{ outcome: ClaimOutcome }> {
    return { outcome: await this.ownership.claim(request) };
  }

  @RpcHandler(readOwner)
  async read({ deviceId }: { readonly deviceId: DeviceId }): Promise<{ owner?: string }> {
    const owner = await this.ownership.ownerOf(deviceId);
    return owner === undefined ? {} : { owner };
  }

  @RpcHandler(listOwnedDevices)
  async list({ owner }: { readonly owner: string }): Promise<{ devices: DeviceId[] }> {
    return { devices: await this.ownership.devicesOf(owner) };
  }

  @RpcHandler(releaseDevice)
  async release(request: OwnerRequest): Promise<{ outcome: 'released' | 'not-owned' }> {
    return { outcome: await this.ownership.release(request) };
  }
}
