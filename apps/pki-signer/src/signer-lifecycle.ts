import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { type Mqtt, subscribeEvent } from '@sallyport/mqtt';
import { certificatesWithdrawn, type DeviceChange, deviceChanged } from '@sallyport/protocol';
import { type Clock, FaultLog, type Log } from '@sallyport/runtime';
import type { CrlEntrance } from './crl/crl-entrance.js';
import type { EstEntrance } from './est/est-entrance.js';
import type { Signer } from './signer.js';
import { Upkeep } from './upkeep.js';

// At most this long until a revocation is on the CRL, and until a due rotation or renewal is done.
const upkeepIntervalMs = 5_000;

export interface SignerLifecycleOptions {
  readonly signer: Pick<
    Signer,
    | 'hierarchy'
    | 'unknown'
    | 'rotation'
    | 'crls'
    | 'serverCertificate'
    | 'outbox'
    | 'revocation'
    | 'serviceLocks'
    | 'superseded'
    | 'metrics'
  >;
  /** Where EST is answered. */
  readonly enrolment: readonly EstEntrance[];
  readonly crlEntrance: CrlEntrance;
  readonly mqtt: Mqtt;
  readonly clock: Clock;
  readonly log: Log;
}

/** Opens the entrances of the signer when it starts, does its upkeep while it runs, and stops it in order. */
export class SignerLifecycle implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly upkeep: Upkeep;
  private readonly publishing = new AbortController();
  private published: Promise<void> = Promise.resolve();

  constructor(private readonly options: SignerLifecycleOptions) {
    const { signer, enrolment, log, clock } = options;
    const { hierarchy, rotation, superseded, crls, serverCertificate } = signer;
    // In this order: a CA that ended while the machine was off is replaced before it is asked to sign.
    const steps = [
      { name: 'hierarchy', run: () => hierarchy.load() },
      { name: 'rotation', run: () => rotation.advance() },
      { name: 'superseded identities', run: () => superseded.settleAll() },
      { name: 'CRLs', run: () => crls.buildDue() },
      { name: 'server certificate', run: () => serverCertificate.renewIfDue() },
      ...enrolment.map((entrance) => ({ name: 'enrolment entrance', run: () => entrance.openIfPossible() })),
    ];
    this.upkeep = new Upkeep(steps, log, upkeepIntervalMs, clock);
  }

  async onApplicationBootstrap(): Promise<void> {
    const { enrolment, crlEntrance } = this.options;
    this.followHierarchy();
    await this.followRegistry();
    this.publishEvents();
    await crlEntrance.open();
    // A step that fails is logged and tried again. The signer runs on, because operators need CRLs and admin API to
    // mend it.
    await this.upkeep.runOnce();
    for (const entrance of enrolment) entrance.requireNoFault();
    this.upkeep.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.upkeep.stop();
    this.publishing.abort();
    await this.published;
  }

  private followHierarchy(): void {
    const { hierarchy, crls } = this.options.signer;
    hierarchy.onChange(() => {
      this.measureAuthorities();
      // A new CA needs a CRL before its first certificate is used.
      void crls.buildDue();
    });
    this.measureAuthorities();
  }

  private async followRegistry(): Promise<void> {
    const { mqtt, log, signer } = this.options;
    const follow = async (change: DeviceChange) => {
      await signer.serviceLocks.follow(change);
      await signer.revocation.follow(change);
    };
    const onInvalid = (error: Error) => log.warn({ error }, 'announcement of the device registry not understood');
    await subscribeEvent(mqtt, deviceChanged, follow, {
      onInvalid,
    });
    await subscribeEvent(mqtt, certificatesWithdrawn, (withdrawn) => signer.unknown.follow(withdrawn), { onInvalid });
  }

  private publishEvents(): void {
    const { mqtt, log, clock, signer } = this.options;
    const faults = new FaultLog(log, clock, 'event could not be published, will try again');
    this.published = signer.outbox.run((topic, payload) => mqtt.publish(topic, JSON.stringify(payload)), {
      signal: this.publishing.signal,
      onRetry: faults.note,
    });
  }

  private measureAuthorities(): void {
    const { hierarchy, metrics } = this.options.signer;
    for (const { record, certificate } of hierarchy.all)
      metrics.authorityEnd.set({ ca: record.id }, certificate.notAfter.getTime() / 1000);
  }
}
