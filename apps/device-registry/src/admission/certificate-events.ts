import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Mqtt, subscribeEvent } from '@sallyport/mqtt';
import { certificateIssued, certificateRevoked } from '@sallyport/protocol';
import { Log } from '@sallyport/runtime';
import { IssuedCertificates } from './issued-certificates.js';
import { RevokedCertificates } from './revoked-certificates.js';

/** Handles events of the signer. While the registry is not running, the broker keeps them. */
@Injectable()
export class CertificateEvents implements OnApplicationBootstrap {
  constructor(
    private readonly mqtt: Mqtt,
    private readonly issued: IssuedCertificates,
    private readonly revoked: RevokedCertificates,
    private readonly log: Log,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const onInvalid = (error: Error) => this.log.error({ error }, 'event of the signer is not readable');
    await subscribeEvent(this.mqtt, certificateIssued, (event) => this.issued.take(event), { onInvalid });
    await subscribeEvent(this.mqtt, certificateRevoked, (event) => this.revoked.take(event), { onInvalid });
  }
}
