import { Injectable } from '@nestjs/common';
import { type DeviceId, type Fingerprint, Problem } from '@sallyport/protocol';
import { Devices } from '../devices/devices.js';

/** The certificate that a device will show, and who accepts it. */
interface Expectation {
  readonly fingerprint: Fingerprint;
  readonly reason?: string | undefined;
  readonly actor: string;
}

/** Lets an administrator accept the next certificate of a device that is pinned to its present one. */
@Injectable()
export class ExpectedCertificates {
  constructor(private readonly devices: Devices) {}

  /**
   * @throws Problem `not-found`: there is no such device
   * @throws Problem `conflict`: the device has a secret, or may not come in its present state
   */
  async expect(name: DeviceId, { fingerprint, reason, actor }: Expectation): Promise<void> {
    await this.devices.change(name, async (before) => {
      const device = before ?? (await this.devices.require(name));
      const { deviceId, credential, state } = device.record;
      if (credential !== undefined)
        throw new Problem(
          'conflict',
          `Device "${deviceId}" proves itself with a ${credential.kind}, not a certificate.`,
        );
      if (state === 'retired' || state === 'revoked')
        throw new Problem('conflict', `Device "${deviceId}" is ${state}, so no certificate of it is accepted.`);
      const after = { ...device.record, expectedCertificate: fingerprint };
      const details = { fingerprint, ...(reason === undefined ? {} : { reason }) };
      const entry = {
        actor,
        action: 'certificate-expected',
        subject: deviceId,
        outcome: 'succeeded' as const,
        details,
      };
      return { result: undefined, change: { before: device, after, audit: [entry] } };
    });
  }
}
