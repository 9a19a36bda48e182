import { Injectable } from '@nestjs/common';
import { type DeviceId, Problem } from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import type { DeviceCredential } from '../devices/device-record.js';
import { Devices, type StoredDevice } from '../devices/devices.js';
import { DeviceSecrets } from './device-secrets.js';

/** What administrators do with the secrets of devices. Sessions with the former secret end. */
@Injectable()
export class SecretChanges {
  constructor(
    private readonly devices: Devices,
    private readonly secrets: DeviceSecrets,
    private readonly clock: Clock,
  ) {}

  /**
   * Takes the secret of a device back. It may activate again, once.
   *
   * @throws Problem `not-found`, `conflict`: no such device, or it has a certificate
   */
  takeBack(name: DeviceId, actor: string): Promise<void> {
    return this.devices.change(name, async (before) => {
      const { device, credential } = await this.require(name, before);
      if (!credential.isActive) return { result: undefined };
      const after = { ...device.record, credential: { ...credential, isActive: false } };
      const operations = this.secrets.remove(device.record.deviceId, credential);
      const audit = [entryOf('secret-taken-back', device, actor)];
      return { result: undefined, change: { before: device, after, operations, announced: [credential.id], audit } };
    });
  }

  /**
   * Gives a device the password that an administrator has chosen.
   *
   * @throws Problem `not-found`, `conflict`: no such device, or it has a certificate or a token
   */
  setPassword(name: DeviceId, { password, actor }: { readonly password: string; readonly actor: string }) {
    return this.devices.change(name, async (before) => {
      const { device, credential: former } = await this.require(name, before);
      const { deviceId } = device.record;
      if (former.kind !== 'password')
        throw new Problem('conflict', `Device "${deviceId}" has a token, and no password.`);
      const issuedAt = this.clock.now().toISOString();
      const made = await this.secrets.make({ deviceId, kind: 'password', issuedAt, chosen: password });
      const { credential, operations } = made;
      const audit = [entryOf('password-set', device, actor)];
      const announced = [former.id, credential.id];
      const after = { ...device.record, credential };
      return { result: undefined, change: { before: device, after, operations, announced, audit } };
    });
  }

  private async require(
    name: DeviceId,
    before: StoredDevice | undefined,
  ): Promise<{ readonly device: StoredDevice; readonly credential: DeviceCredential }> {
    const device = before ?? (await this.devices.require(name));
    const { credential, deviceId } = device.record;
    if (credential !== undefined) return { device, credential };
    throw new Problem('conflict', `Device "${deviceId}" proves itself with a certificate, and has no secret.`);
  }
}

function entryOf(action: string, { record }: StoredDevice, actor: string) {
  const details = { kind: record.credential?.kind ?? 'none' };
  return { actor, action, subject: record.deviceId, outcome: 'succeeded' as const, details };
}
